import { create } from "zustand";
import type { Catalog } from "../protocol/catalog.ts";
import type { Diagnostics } from "../protocol/setup.ts";
import type { StorageReport } from "../protocol/storage.ts";
import { request } from "./client.ts";
import { EMPTY, type Failure, failureOf, type Loadable, loadingFrom } from "./failure.ts";

/** What the page knows of the worker, the device and itself. */
export interface AppState {
  readonly catalog: Loadable<Catalog>;
  readonly device: Loadable<Diagnostics>;
  readonly storage: Loadable<StorageReport>;
  /** The worker or the device is gone. */
  readonly trouble: Failure | null;
  /** The text of the one live region. */
  readonly announcement: string;
  /** The same for the eye: a short confirmation. */
  readonly notice: string;
  /** Errors of this visit, newest last, for the report. */
  readonly errors: readonly { readonly time: number; readonly failure: Failure }[];
}

const MOST_ERRORS = 50;

export const useApp = create<AppState>(() => ({
  catalog: EMPTY,
  device: EMPTY,
  storage: EMPTY,
  trouble: null,
  announcement: "",
  notice: "",
  errors: [],
}));

/** Says something to people who listen. */
export const announce = (announcement: string): void => useApp.setState({ announcement });

/** A short confirmation, seen and heard. */
export const notify = (notice: string): void => useApp.setState({ announcement: notice, notice });

export const clearNotice = (): void => useApp.setState({ notice: "" });

/** Keeps an error for the report and returns it as data. */
export function noteError(error: unknown): Failure {
  const failure = failureOf(error);
  const errors = [...useApp.getState().errors, { time: Date.now(), failure }].slice(-MOST_ERRORS);
  useApp.setState({ errors });
  return failure;
}

export const setTrouble = (trouble: Failure | null): void => {
  if (trouble) noteError(trouble);
  useApp.setState({ trouble });
};

export async function loadCatalog(): Promise<void> {
  useApp.setState((state) => ({ catalog: loadingFrom(state.catalog) }));
  try {
    useApp.setState({ catalog: { state: "ready", value: await request("catalog", {}) } });
  } catch (error) {
    useApp.setState({ catalog: { state: "failed", error: noteError(error) } });
  }
}

/** Asks what the device is; also the "Check again" of the advice for browsers without WebGPU. */
export async function checkDevice(): Promise<void> {
  useApp.setState((state) => ({ device: loadingFrom(state.device) }));
  try {
    useApp.setState({ device: { state: "ready", value: await request("diagnostics", {}) } });
  } catch (error) {
    useApp.setState({ device: { state: "failed", error: noteError(error) } });
  }
}

export async function loadStorage(): Promise<void> {
  try {
    useApp.setState({ storage: { state: "ready", value: await request("storage", {}) } });
  } catch (error) {
    useApp.setState({ storage: { state: "failed", error: noteError(error) } });
  }
}
