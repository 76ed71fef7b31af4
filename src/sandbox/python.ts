import adapter from "./adapter.py?raw";
import { batchKwargs, columnsOf, completionKwargs } from "./call_values.ts";
import type { FromRunner, Program, ToRunner } from "./messages.ts";
import { createLog, createRunner, describe, isPromise } from "./runner.ts";

/** The parts of Pyodide that are used here. */
export interface Pyodide {
  runPython(code: string): unknown;
  readonly globals: { get(name: string): unknown };
}

export interface PyodideOptions {
  readonly lockFileContents: string;
  readonly stdout: (line: string) => void;
  readonly stderr: (line: string) => void;
}

/** The version in package.json, which is the only one that PYODIDE_LOCK is for. */
export const PYODIDE_VERSION = "314.0.7";

/** What pyodide-lock.json says of this Pyodide, without the packages: none of them are here, and none may be fetched. */
export const PYODIDE_LOCK = {
  info: { abi_version: "2026_0", arch: "wasm32", platform: "emscripten_5_0_3", python: "3.14.2" },
  packages: {},
};

type PythonFunction = (...values: unknown[]) => unknown;
type Text = string | PromiseLike<string>;

/** Starts Python, then answers requests for the function of the code that the first of them brings. */
export async function startPython(
  open: (options: PyodideOptions) => Promise<Pyodide>,
  post: (message: FromRunner) => void,
): Promise<(request: ToRunner) => Promise<void>> {
  const log = createLog(post);
  const python = await open({
    lockFileContents: JSON.stringify(PYODIDE_LOCK),
    stdout: log.print,
    stderr: log.print,
  });
  python.runPython(adapter);
  const get = (name: string) => python.globals.get(name) as PythonFunction;
  post({ type: "alive" });
  let run: ((request: Exclude<ToRunner, { type: "load" }>) => Promise<void>) | undefined;
  return async (request) => {
    log.reset();
    if (request.type !== "load") return run?.(request);
    try {
      const { code, title, name } = request;
      const answer = JSON.parse(get("load")(code, title, name ?? undefined) as string);
      if (answer.style === undefined) {
        post({ type: "invalid", message: answer.message, line: answer.line ?? undefined });
      } else {
        run = createRunner(pythonProgram(get, answer.style), post);
        post({ type: "ready", style: answer.style });
      }
    } catch (error) {
      post({ type: "broken", message: describe(error) });
    }
    return undefined;
  };
}

function pythonProgram(get: (name: string) => PythonFunction, style: Program["style"]): Program {
  const functions = {
    take: get("take"),
    scoreOne: get("score_one"),
    scoreAll: get("score_all"),
    process: get("process"),
  };
  let count = 0;
  const read = (answer: unknown) => {
    const text = answer as Text;
    // JSON text of a result, which adapter.py writes in the form that Program asks for.
    return isPromise(text) ? text.then((value) => JSON.parse(value)) : JSON.parse(text);
  };
  const process = (data: unknown, kwargs: unknown, batched: boolean) =>
    read(functions.process(JSON.stringify([data, kwargs]), batched));
  return {
    style,
    take: (items, state) => {
      count = items.length;
      const taken =
        style === "batch"
          ? batchKwargs(items, state)
          : items.map((item) => ({
              text: item.completion,
              reference: item.reference,
              kwargs: completionKwargs(item),
            }));
      functions.take(JSON.stringify(taken));
    },
    scoreOne: (item) => read(functions.scoreOne(item)),
    scoreAll: () => read(functions.scoreAll(count)),
    processOne: (row, kwargs) => process(row, kwargs, false),
    processAll: (rows, kwargs) => process(columnsOf(rows), kwargs, true),
  };
}
