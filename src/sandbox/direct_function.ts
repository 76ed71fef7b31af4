import type { Limits, UserFunction } from "../host/user_code.ts";
import { openIsolated } from "./isolated_function.ts";
import { javaScriptProgram } from "./javascript.ts";
import type { FromRunner } from "./messages.ts";
import type { Launch } from "./place.ts";
import { createRunner, describe } from "./runner.ts";

/** The longest that a timer can wait, which is 24 days. */
const NO_LIMITS: Limits = { perCall: 2 ** 31 - 1, perBatch: 2 ** 31 - 1 };

/**
 * A function that a program passes, in the forms that a person's code may have. It is called in place: nothing can end it, so
 * nothing limits it either, and what it prints is the program's own.
 */
export async function openDirect(fn: (...values: never[]) => unknown, title: string): Promise<UserFunction> {
  const launch: Launch = (listener) => {
    const post = (message: FromRunner) => listener.message(message);
    const program = javaScriptProgram(
      fn as (...values: unknown[]) => unknown,
      (error) => ({ kind: "threw", message: describe(error) }),
      (text) => post({ type: "log", text }),
    );
    const run = createRunner(program, post);
    queueMicrotask(() => post({ type: "ready", style: program.style }));
    return { post: (request) => void (request.type !== "load" && run(request)), kill: () => {} };
  };
  const opened = await openIsolated({ code: "", language: "javascript", purpose: "reward", title }, launch);
  return {
    ...opened,
    score: (items, limits = NO_LIMITS, state) => opened.score(items, limits, state),
    process: (rows, options) => opened.process(rows, { limits: NO_LIMITS, ...options }),
  };
}
