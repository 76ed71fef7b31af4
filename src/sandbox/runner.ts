import type { FromRunner, Program, Result, ToRunner } from "./messages.ts";

type Request = Exclude<ToRunner, { type: "load" }>;
type Post = (message: FromRunner) => void;

/** Lines of output that one request may send; a loop that prints must not fill the memory of the host. */
const MAX_LINES = 200;
const MAX_LINE = 2_000;

/**
 * Answers the host's requests with a loaded program. Each result is posted as soon as it is there, and each call is
 * announced before it begins: when the host has to end this place, it knows which item hung and keeps the others.
 */
export function createRunner(program: Program, post: Post): (request: Request) => Promise<void> {
  return async (request) => {
    try {
      if (request.type === "score") await score(program, request, post);
      else await process(program, request, post);
      post({ type: "done", call: request.call });
    } catch (error) {
      post({ type: "broken", message: describe(error) });
    }
  };
}

async function score(program: Program, request: Extract<Request, { type: "score" }>, post: Post) {
  const { call, items, from, state } = request;
  program.take(items, state);
  if (program.style === "batch") {
    post({ type: "begin", call, item: 0 });
    const results = program.scoreAll();
    (isPromise(results) ? await results : results).forEach((result, item) => {
      postResult(post, call, item, result);
    });
    return;
  }
  for (let item = from; item < items.length; item++) {
    post({ type: "begin", call, item });
    const result = program.scoreOne(item);
    // Waiting costs a turn of the event loop, which most functions do not need.
    postResult(post, call, item, isPromise(result) ? await result : result);
  }
}

async function process(program: Program, request: Extract<Request, { type: "process" }>, post: Post) {
  const { call, rows, kwargs, batched } = request;
  if (batched) {
    post({ type: "begin", call, item: 0 });
    postResult(post, call, 0, await program.processAll(rows, kwargs));
    return;
  }
  for (const [item, row] of rows.entries()) {
    post({ type: "begin", call, item });
    const result = program.processOne(row, kwargs);
    const settled = isPromise(result) ? await result : result;
    postResult(post, call, item, settled);
    // A row that fails refuses the data set: those behind it are not worth the time.
    if ("fault" in settled) return;
  }
}

function postResult(post: Post, call: number, item: number, result: Result<number | string | null>): void {
  if ("fault" in result) post({ type: "fault", call, item, fault: result.fault });
  else post({ type: "value", call, item, value: result.value });
}

export function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** "TypeError: x is undefined", for anything that can be thrown. */
export function describe(error: unknown): string {
  if (error instanceof Error) return `${error.name}: ${error.message}`;
  try {
    return String(error);
  } catch {
    return "something that cannot be shown as text was thrown";
  }
}

/** Gives the program's output to the host, up to a bound for each request. */
export function createLog(post: Post): {
  readonly print: (text: string) => void;
  readonly reset: () => void;
} {
  let lines = 0;
  return {
    print: (text) => {
      lines += 1;
      if (lines <= MAX_LINES) post({ type: "log", text: text.slice(0, MAX_LINE) });
      else if (lines === MAX_LINES + 1) post({ type: "log", text: "(more lines were printed)" });
    },
    reset: () => {
      lines = 0;
    },
  };
}
