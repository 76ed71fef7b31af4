import { AppError } from "../lib/errors.ts";
import type { WorkerEvent } from "../protocol/messages.ts";

/** Where the worker waits for the frame that only the page can open. */
export interface SandboxDoor {
  /** Asks the page for the frame. Throws `user-code-failed` when none comes. */
  open(): Promise<MessagePort>;
  /** Called when the page has opened it. */
  attach(port: MessagePort): void;
}

const LIMIT = 60_000;

export function createSandboxDoor(emit: (event: WorkerEvent) => void): SandboxDoor {
  let arrived: (port: MessagePort) => void = () => {};
  return {
    open: () =>
      new Promise((resolve, reject) => {
        const refuse = () =>
          reject(
            new AppError(
              "user-code-failed",
              "The page did not open the frame in which your code runs. Reload the page.",
            ),
          );
        const timer = setTimeout(refuse, LIMIT);
        arrived = (port) => {
          clearTimeout(timer);
          resolve(port);
        };
        emit({ type: "sandbox-wanted" });
      }),
    attach: (port) => arrived(port),
  };
}
