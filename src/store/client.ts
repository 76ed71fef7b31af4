import { AppError } from "../lib/errors.ts";
import type { WorkerEvent } from "../protocol/messages.ts";
import {
  type Client,
  connect,
  type Endpoint,
  type Method,
  type Params,
  type Result,
  toWire,
} from "../protocol/rpc.ts";
import type { WireError } from "../protocol/values.ts";

/** The one place of the page that speaks to the training worker. */

let client: Client | undefined;

/** Speaks through a given endpoint: the worker's, or one end of a channel. */
export function connectTo(endpoint: Endpoint, onEvent: (event: WorkerEvent) => void): void {
  client = connect(endpoint, onEvent);
}

/** Starts the training worker. `onCrash` is told when the worker itself ends with an error. */
export function startWorker(
  onEvent: (event: WorkerEvent) => void,
  onCrash: (failure: WireError) => void,
): void {
  const worker = new Worker(new URL("../worker/main.ts", import.meta.url), { type: "module" });
  connectTo(worker, onEvent);
  worker.addEventListener("error", (event: ErrorEvent) => {
    const cause = event.message || "its program could not be loaded";
    const error = new AppError("gpu-error", `The training worker stopped: ${cause}.`);
    client?.fail(error);
    onCrash(toWire(error));
  });
}

/** Asks the worker. Rejects with an AppError that carries the worker's code. */
export function request<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
  if (!client) return Promise.reject(new AppError("cancelled", "The training worker has not started yet."));
  return client.request(method, params);
}
