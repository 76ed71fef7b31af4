import { toWire } from "../protocol/rpc.ts";
import type { WireError } from "../protocol/values.ts";

/** An error as the page keeps it: plain data, as it crossed the border. */
export type Failure = WireError;
export const failureOf = (error: unknown): Failure => toWire(error);

/** Something asked of the worker: not yet, here, or why not. */
export type Loadable<T> =
  | { readonly state: "empty" }
  | { readonly state: "loading"; readonly value: T | null }
  | { readonly state: "ready"; readonly value: T }
  | { readonly state: "failed"; readonly error: Failure };

export const EMPTY = { state: "empty" } as const;

/** What is there to show, also while a newer value is on its way. */
export const shown = <T>(loadable: Loadable<T>): T | null =>
  loadable.state === "ready" || loadable.state === "loading" ? loadable.value : null;

export const loadingFrom = <T>(before: Loadable<T>): Loadable<T> => ({
  state: "loading",
  value: shown(before),
});
