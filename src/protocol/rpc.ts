import { AppError, invariant } from "../lib/errors.ts";
import type { Requests, WorkerEvent } from "./messages.ts";
import type { WireError } from "./values.ts";

/** The part of Worker, DedicatedWorkerGlobalScope and MessagePort that the protocol uses. */
export interface Endpoint {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

export type Method = keyof Requests;
export type Params<M extends Method> = Requests[M]["params"];
export type Result<M extends Method> = Requests[M]["result"];

type ToWorker = { [M in Method]: { id: number; method: M; params: Params<M> } }[Method];
type FromWorker =
  | { kind: "result"; id: number; result: unknown }
  | { kind: "error"; id: number; error: WireError }
  | { kind: "event"; event: WorkerEvent };

export type Handlers = { readonly [M in Method]: (params: Params<M>) => Promise<Result<M>> };

export interface Client {
  request<M extends Method>(method: M, params: Params<M>): Promise<Result<M>>;
  /** Rejects every open request: the worker is gone. */
  fail(error: AppError): void;
}

/** Page side. Every call settles: it resolves, or rejects with an AppError that carries the worker's code. */
export function connect(endpoint: Endpoint, onEvent: (event: WorkerEvent) => void): Client {
  const pending = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let nextId = 0;
  let failure: AppError | undefined;

  endpoint.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if (data.kind === "event") return onEvent(data.event);
    const call = pending.get(data.id);
    invariant(call, `answer to unknown request ${data.id}`);
    pending.delete(data.id);
    if (data.kind === "result") return call.resolve(data.result);
    call.reject(fromWire(data.error));
  });

  return {
    request<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
      return new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        const id = nextId++;
        pending.set(id, { resolve: resolve as (result: unknown) => void, reject });
        endpoint.postMessage({ id, method, params }, Object.values(params).filter(isPort));
      });
    },
    fail(error) {
      failure = error;
      for (const call of pending.values()) call.reject(error);
      pending.clear();
    },
  };
}

/** A port can only be in one place, so it moves. */
const isPort = (value: unknown): value is MessagePort => value instanceof MessagePort;

/** Worker side. Returns the function that posts events. */
export function serve(endpoint: Endpoint, handlers: Handlers): (event: WorkerEvent) => void {
  const post = (message: FromWorker) => endpoint.postMessage(message, transferables(message));

  const answer = async (call: ToWorker) => {
    try {
      post({ kind: "result", id: call.id, result: await dispatch(handlers, call) });
    } catch (error) {
      post({ kind: "error", id: call.id, error: toWire(error) });
    }
  };
  endpoint.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => void answer(data));

  return (event) => post({ kind: "event", event });
}

function dispatch(handlers: Handlers, call: ToWorker): Promise<Result<Method>> {
  const handler = handlers[call.method] as (params: ToWorker["params"]) => Promise<Result<Method>>;
  return handler(call.params);
}

function transferables(message: FromWorker): Transferable[] {
  if (message.kind !== "result" || typeof message.result !== "object" || message.result === null) return [];
  return Object.values(message.result).filter((value) => value instanceof ArrayBuffer);
}

export function toWire(error: unknown): WireError {
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  const known = error instanceof AppError ? error : { code: "internal" as const, details: {} };
  return { code: known.code, details: known.details, message, stack };
}

export function fromWire({ code, message, details, stack }: WireError): Error {
  if (code === "internal") return Object.assign(new Error(message), { stack });
  return Object.assign(new AppError(code, message, { details: { ...details } }), { stack });
}
