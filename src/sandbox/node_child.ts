import { type Body, loadJavaScript } from "./javascript.ts";
import type { FromRunner, ToRunner } from "./messages.ts";
import { type Pyodide, type PyodideOptions, startPython } from "./python.ts";

/** What the first lines of the child process (host/node_user_code.ts) give to the rest of it. */
export interface ChildIo {
  /** Returns when the host has the message, also from within a loop that never ends. */
  readonly post: (message: FromRunner) => void;
  readonly onRequest: (listener: (request: ToRunner) => void) => void;
}

/** Runs JavaScript of which `file` is the name in stacks. */
export async function startJavaScript(
  io: ChildIo,
  body: Body,
  name: string | null,
  file: string,
): Promise<void> {
  const pending = loadJavaScript(body, {
    post: io.post,
    name,
    console,
    lineOf: (error) => {
      const stack = error instanceof Error ? (error.stack ?? "") : "";
      const lines = stack
        .split(`${file}:`)
        .slice(1)
        .map((behind) => Number.parseInt(behind, 10));
      // Our own lines stand before the person's and have numbers below 1.
      return lines.find((line) => line >= 1);
    },
  });
  io.onRequest((request) => void pending.then((run) => run?.(request)));
  await pending;
}

/** Runs Python in the Pyodide of which `loadPyodide` was imported from `folder`. */
export async function startPythonChild(
  io: ChildIo,
  loadPyodide: (options: PyodideOptions & { readonly indexURL: string }) => Promise<Pyodide>,
  folder: string,
): Promise<void> {
  const run = startPython((options) => loadPyodide({ ...options, indexURL: folder }), io.post);
  io.onRequest((request) => void run.then((answer) => answer(request)));
  await run;
}
