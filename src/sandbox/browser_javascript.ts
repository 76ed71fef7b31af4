import { type Body, loadJavaScript } from "./javascript.ts";
import type { FromRunner, ToRunner } from "./messages.ts";

/** The worker in which JavaScript runs: this program, and behind it in the same text a call of `start` with the code. */

interface WorkerScope {
  postMessage(message: FromRunner): void;
  addEventListener(type: "message", listener: (event: { readonly data: ToRunner }) => void): void;
}

/** `linesBefore`: lines of this worker's text in front of the person's first. `lines`: how many the code has. */
export function start(body: Body, name: string | null, linesBefore: number, lines: number): void {
  const scope = globalThis as unknown as WorkerScope;
  const post = scope.postMessage.bind(scope);
  const here = globalThis.location.href;
  const lineOf = (error: unknown): number | undefined => {
    const stack = error instanceof Error ? (error.stack ?? "") : "";
    const found = stack
      .split("\n")
      .filter((frame) => frame.includes(here))
      .map((frame) => Number(/:(\d+):\d+\D*$/.exec(frame)?.[1]) - linesBefore);
    return found.find((line) => line >= 1 && line <= lines);
  };
  const loaded = loadJavaScript(body, { post, lineOf, name, console });
  scope.addEventListener("message", ({ data }) => void loaded.then((run) => run?.(data)));
}
