import type { RewardItem, TrainerState } from "../host/user_code.ts";
import {
  allFail,
  BATCH_EXAMPLE,
  batchKwargs,
  columnsOf,
  completionKwargs,
  ROW_EXAMPLE,
  readColumns,
  readScore,
  readScores,
} from "./call_values.ts";
import type { Fault, FromRunner, Program, Result, ToRunner } from "./messages.ts";
import { type Parameter, parametersOf } from "./parameters.ts";
import { createLog, createRunner, describe, isPromise } from "./runner.ts";

/** A person's code as the host wraps it: running it gives what it exports and the functions that it declares. */
export type Body = (
  exports: Record<string, unknown>,
  module: { exports: unknown },
) => Promise<Readonly<Record<string, unknown>> | undefined>;

export interface Environment {
  readonly post: (message: FromRunner) => void;
  /** The line of the person's code in which an error arose, from its stack. */
  readonly lineOf: (error: unknown) => number | undefined;
  readonly name: string | null;
  readonly console: Console;
}

type AnyFunction = (...values: unknown[]) => unknown;

/** Runs a person's code and answers requests for its function. Undefined when there is no such function: the host was told. */
export async function loadJavaScript(
  body: Body,
  environment: Environment,
): Promise<((request: ToRunner) => Promise<void>) | undefined> {
  const { post, lineOf, name } = environment;
  const log = createLog(post);
  printTo(environment.console, log.print);
  const fault = (error: unknown): Fault => ({ kind: "threw", message: describe(error), line: lineOf(error) });
  post({ type: "alive" });
  const exports: Record<string, unknown> = {};
  const module: { exports: unknown } = { exports };
  let fn: AnyFunction | undefined;
  try {
    fn = choose(name, module, exports, (await body(exports, module)) ?? {});
  } catch (error) {
    const { message, line } = fault(error);
    post({ type: "invalid", message, line });
    return undefined;
  }
  if (fn === undefined) {
    post({
      type: "invalid",
      message: name === null ? "It defines no function." : `It defines no function ${name}.`,
    });
    return undefined;
  }
  const program = javaScriptProgram(fn, fault, log.print);
  post({ type: "ready", style: program.style });
  const run = createRunner(program, post);
  return async (request) => {
    log.reset();
    if (request.type !== "load") await run(request);
  };
}

/** The function of that name; without a name the default export, else the only one, or the last. */
function choose(
  name: string | null,
  module: { readonly exports: unknown },
  exports: Readonly<Record<string, unknown>>,
  declared: Readonly<Record<string, unknown>>,
): AnyFunction | undefined {
  const exported = typeof module.exports === "object" ? { ...exports, ...module.exports } : exports;
  const isOwn = (value: unknown): value is AnyFunction => typeof value === "function";
  if (name !== null) return [exported[name], declared[name]].find(isOwn);
  if (isOwn(module.exports)) return module.exports;
  if (isOwn(exported["default"])) return exported["default"];
  // A name that the code only mentions may be one of the language's own functions.
  const globals = globalThis as unknown as Record<string, unknown>;
  const found = Object.entries(declared).filter(([key, value]) => isOwn(value) && value !== globals[key]);
  return [...Object.values(exported), ...found.map(([, value]) => value)].filter(isOwn).at(-1);
}

export function javaScriptProgram(
  fn: AnyFunction,
  fault: (error: unknown) => Fault,
  print: (text: string) => void,
): Program {
  const parameters = parametersOf(Function.prototype.toString.call(fn));
  const style = styleOf(parameters);
  let taken: readonly RewardItem[] = [];
  let batch: Record<string, unknown> = {};
  /** Applies `read` to what the call gives, now or later, with whatever it throws as a fault. */
  const attempt = <T>(
    call: () => unknown,
    read: (value: unknown) => T,
    failed: (fault: Fault) => T,
  ): T | Promise<T> => {
    try {
      const value = call();
      if (!isPromise(value)) return read(value);
      return Promise.resolve(value)
        .then(read)
        .catch((error) => failed(fault(error)));
    } catch (error) {
      return failed(fault(error));
    }
  };
  const one = (found: Fault): { readonly fault: Fault } => ({ fault: found });
  return {
    style,
    take: (items: readonly RewardItem[], state: TrainerState | null) => {
      taken = items;
      if (style === "batch") batch = { ...batchKwargs(items, state), ...callbacks(print) };
    },
    scoreOne: (item) =>
      attempt<Result>(
        () => fn(...completionArguments(parameters, taken[item] as RewardItem)),
        readScore,
        one,
      ),
    scoreAll: () =>
      attempt<readonly Result[]>(
        () => fn(...batchArguments(parameters, batch)),
        (value) => readScores(value, taken.length),
        (found) => allFail(taken.length, found),
      ),
    processOne: (row, kwargs) =>
      attempt<Result<string>>(
        () => fn({ ...row }, kwargs),
        (value) => readColumns(value, ROW_EXAMPLE),
        one,
      ),
    processAll: (rows, kwargs) =>
      attempt<Result<string>>(
        () => fn(columnsOf(rows), kwargs),
        (value) => readColumns(value, BATCH_EXAMPLE),
        one,
      ),
  };
}

const BATCH_NAMES = ["prompts", "completions", "completion_ids"];

function styleOf([first]: readonly Parameter[]): Program["style"] {
  const isBatch = first?.keys?.includes("completions") ?? BATCH_NAMES.includes(first?.name ?? "");
  return isBatch ? "batch" : "per-completion";
}

/** `fn(text, reference, kwargs)`, or one object with all of it when the function takes its values apart. */
function completionArguments([first]: readonly Parameter[], item: RewardItem): unknown[] {
  const { completion: text, reference } = item;
  const kwargs = completionKwargs(item);
  return first?.keys === undefined
    ? [text, reference, kwargs]
    : [{ ...kwargs, text, completion: text, reference }];
}

/** Each parameter by its name, as Python passes them; one that is no name of a value (`kwargs`, a pattern) gets all. */
function batchArguments(
  parameters: readonly Parameter[],
  values: Readonly<Record<string, unknown>>,
): unknown[] {
  return parameters.map(({ name, rest }) =>
    name !== undefined && !rest && Object.hasOwn(values, name) ? values[name] : values,
  );
}

/** TRL's two callbacks. What a function logs is shown with its output. */
function callbacks(print: (text: string) => void) {
  return {
    log_metric: (name: unknown, value: unknown) => print(`${String(name)} = ${String(value)}`),
    log_extra: (column: unknown, values: unknown) => print(`${String(column)}: ${asText(values)}`),
  };
}

function printTo(target: Console, print: (text: string) => void): void {
  for (const level of ["log", "info", "warn", "error", "debug"] as const) {
    target[level] = (...values: unknown[]) => print(values.map(asText).join(" "));
  }
}

function asText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return describe(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
