import type { Limits, UserFunction, UserSource } from "../host/user_code.ts";
import { AppError } from "../lib/errors.ts";
import type { Fault, FromRunner, ToRunner } from "./messages.ts";
import { Timers } from "./timers.ts";
import { invalidCode } from "./wrap_javascript.ts";

/** A worker or a child process in which the person's code runs. */
export interface Isolate {
  post(message: ToRunner): void;
  /** Ends it at once, whatever it is doing. */
  kill(): void;
}

export interface IsolateListener {
  message(message: FromRunner): void;
  /** It ended, or could not start, by itself; `line` is the person's. */
  ended(reason: string, line?: number): void;
}

/** Starts an isolate with the person's code in it. */
export type Launch = (listener: IsolateListener) => Isolate;

/** Milliseconds until an isolate must be there. Python takes seconds to start, and machines may be busy. */
const START_LIMIT = 120_000;
/** Milliseconds for what stands outside of the function. */
const LOAD_LIMIT = 10_000;
const MAX_LOGS = 200;

export type Request = Exclude<ToRunner, { type: "load" }>;
/** Undefined when all was done; else why the isolate was ended. */
export type Outcome = Fault | undefined;
export type Value = number | string | null;

export interface Answers {
  begin(item: number): void;
  value(item: number, value: Value): void;
  fault(item: number, fault: Fault): void;
}

type Style = UserFunction["style"];

/**
 * Where a person's function lives: one isolate at a time. What takes too long, and whatever else breaks the isolate, ends
 * it; the next request starts another.
 */
export class Place {
  readonly #source: UserSource;
  readonly #launch: Launch;
  #isolate: Isolate | undefined;
  /** Who is told what the isolate says: its start first, then each request. */
  #listener: IsolateListener = this.#idle();
  #logs: string[] = [];
  #closed = false;
  /** Ends what is waited for. */
  #abort: (fault: Fault) => void = () => {};

  constructor(source: UserSource, launch: Launch) {
    this.#source = source;
    this.#launch = launch;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Starts the isolate and loads the code. Throws `user-code-invalid`, `user-code-failed`. */
  start(): Promise<Style> {
    const { title } = this.#source;
    const crash = (reason: string) =>
      new AppError("user-code-failed", `${title}: ${reason}.`, { details: { title, kind: "crashed" } });
    return new Promise((resolve, reject) => {
      const timers = new Timers();
      const settle = (work: () => void) => {
        timers.clear();
        this.#abort = () => {};
        work();
      };
      const refuse = (error: AppError) =>
        settle(() => {
          this.#end();
          reject(error);
        });
      this.#abort = ({ message }) => refuse(crash(message));
      this.#listener = {
        // Text that is no program ends before it says anything, with a line.
        ended: (reason, line) =>
          refuse(line === undefined ? crash(reason) : invalidCode(title, reason, line)),
        message: onStart({
          alive: () =>
            timers.set("call", LOAD_LIMIT, () =>
              refuse(invalidCode(title, `Loading it ${tooSlow(LOAD_LIMIT).message}.`, undefined)),
            ),
          invalid: (message, line) => refuse(invalidCode(title, message, line)),
          broken: (message) => refuse(crash(message)),
          ready: (style) =>
            settle(() => {
              this.#listener = this.#idle();
              resolve(style);
            }),
          other: (message) => this.#keepLog(message),
        }),
      };
      timers.set("batch", START_LIMIT, () =>
        refuse(crash("the place where code runs did not start in two minutes")),
      );
      const isolate = this.#launch({
        message: (message) => this.#isolate === isolate && this.#listener.message(message),
        ended: (reason, line) => this.#isolate === isolate && this.#listener.ended(reason, line),
      });
      this.#isolate = isolate;
      const { code, language, name } = this.#source;
      if (language === "python") isolate.post({ type: "load", code, title, name: name ?? null });
    });
  }

  /** Starts the isolate again where it was ended; a start that fails is a fault of the request that needed it. */
  async ensure(): Promise<Outcome> {
    if (this.#closed) return CLOSED;
    if (this.#isolate) return undefined;
    try {
      await this.start();
      return undefined;
    } catch (error) {
      if (error instanceof AppError) return { kind: "crashed", message: error.message };
      throw error;
    }
  }

  /** Sends a request and passes on what comes, until it is done, takes too long (`left` milliseconds of the batch's), or the isolate breaks. */
  ask(request: Request, limits: Limits, answers: Answers, left = limits.perBatch): Promise<Outcome> {
    const count = request.type === "score" ? request.items.length : request.rows.length;
    return new Promise((resolve) => {
      const timers = new Timers();
      const end = (outcome: Outcome) => {
        timers.clear();
        this.#abort = () => {};
        this.#listener = this.#idle();
        if (outcome) this.#end();
        resolve(outcome);
      };
      this.#abort = end;
      const listen = onAnswer(request.call, count, {
        ...answers,
        begin: (item) => {
          answers.begin(item);
          timers.set("call", limits.perCall, () => end(tooSlow(limits.perCall)));
        },
        // Between two calls nothing of the person's runs.
        settled: () => timers.drop("call"),
        end,
        other: (message) => this.#keepLog(message),
      });
      this.#listener = { message: listen, ended: (reason) => end({ kind: "crashed", message: reason }) };
      timers.set("batch", left, () => end(tooSlow(limits.perBatch, "the batch ran")));
      this.#isolate?.post(request);
    });
  }

  takeLogs(): readonly string[] {
    const taken = this.#logs;
    this.#logs = [];
    return taken;
  }

  close(): void {
    this.#closed = true;
    this.#abort(CLOSED);
    this.#end();
  }

  #idle(): IsolateListener {
    return { message: (message) => this.#keepLog(message), ended: () => this.#end() };
  }

  #keepLog(message: FromRunner): void {
    if (message.type !== "log") return;
    this.#logs.push(String(message.text));
    if (this.#logs.length > MAX_LOGS) this.#logs.splice(0, this.#logs.length - MAX_LOGS);
  }

  #end(): void {
    this.#isolate?.kill();
    this.#isolate = undefined;
  }
}

const CLOSED: Fault = { kind: "crashed", message: "was closed" };

function tooSlow(limit: number, what = "ran"): Fault {
  return { kind: "too-slow", message: `${what} longer than ${limit / 1000} s and was stopped` };
}

function onStart(to: {
  alive(): void;
  invalid(message: string, line: number | undefined): void;
  broken(message: string): void;
  ready(style: Style): void;
  other(message: FromRunner): void;
}): (message: FromRunner) => void {
  let alive = false;
  return (message) => {
    if (message.type === "invalid") to.invalid(String(message.message), wholeNumber(message.line));
    else if (message.type === "broken") to.broken(String(message.message));
    else if (message.type === "ready") to.ready(message.style === "batch" ? "batch" : "per-completion");
    else if (message.type !== "alive") to.other(message);
    else if (!alive) {
      alive = true;
      to.alive();
    }
  };
}

/** The code shares its isolate with what reports on it, so nothing in a message is taken for granted. */
function onAnswer(
  call: number,
  count: number,
  to: Answers & { settled(): void; end(outcome: Outcome): void; other(message: FromRunner): void },
): (message: FromRunner) => void {
  const isItem = (item: number) => Number.isInteger(item) && item >= 0 && item < count;
  return (message) => {
    if (message.type === "broken") return to.end({ kind: "crashed", message: String(message.message) });
    if (!("call" in message)) return to.other(message);
    if (message.call !== call) return undefined;
    if (message.type === "done") return to.end(undefined);
    if (!isItem(message.item)) return undefined;
    if (message.type === "begin") return to.begin(message.item);
    to.settled();
    if (message.type === "value") return to.value(message.item, message.value);
    return to.fault(message.item, faultOf(message.fault));
  };
}

const KINDS: readonly Fault["kind"][] = ["threw", "too-slow", "not-a-number", "wrong-shape", "crashed"];

const wholeNumber = (value: unknown): number | undefined =>
  Number.isInteger(value) ? (value as number) : undefined;

/** A fault with the types that it claims to have. */
function faultOf(given: Fault): Fault {
  const kind = KINDS.find((known) => known === given?.kind) ?? "threw";
  const line = wholeNumber(given?.line);
  return { kind, message: String(given?.message).slice(0, 1000), ...(line !== undefined && { line }) };
}
