import { create } from "zustand";
import type { Library, StoredRepository } from "../protocol/hub.ts";
import { loadStorage, noteError, notify } from "./app.ts";
import { request } from "./client.ts";
import { EMPTY, type Failure, failureOf, type Loadable, loadingFrom } from "./failure.ts";
import { hubHost, useHub } from "./hub.ts";
import { askAbout, forgetFacts } from "./hub_facts.ts";

/** What is kept of hubs on this device, and whether the hub has something newer. */
export interface LibraryState {
  readonly library: Loadable<Library>;
  /** By key; only where a person asked. */
  readonly updates: Readonly<Record<string, Update>>;
  /** Why the last deletion was refused. */
  readonly refused: Failure | null;
}

export type Update =
  | { readonly state: "asking" }
  | { readonly state: "current" }
  | { readonly state: "newer"; readonly commit: string }
  | { readonly state: "unknown"; readonly why: string };

export const useLibrary = create<LibraryState>(() => ({ library: EMPTY, updates: {}, refused: null }));

export async function loadLibrary(): Promise<void> {
  useLibrary.setState((state) => ({ library: loadingFrom(state.library) }));
  try {
    useLibrary.setState({ library: { state: "ready", value: await request("library", {}) } });
  } catch (error) {
    useLibrary.setState({ library: { state: "failed", error: noteError(error) } });
  }
}

/** Deletes the files of one repository. Returns whether that was done. */
export async function removeStored({ key }: StoredRepository): Promise<boolean> {
  try {
    await request("removeStored", { key });
    useLibrary.setState({ refused: null });
  } catch (error) {
    useLibrary.setState({ refused: noteError(error) });
    return false;
  }
  // What the setup says of bytes that are here is no longer so.
  forgetFacts();
  await Promise.all([loadLibrary(), loadStorage()]);
  return true;
}

/** Asks the browser to keep what is stored here until a person deletes it. */
export async function keepStorage(): Promise<void> {
  try {
    const { persistent } = await request("keepStorage", {});
    notify(
      persistent
        ? "This browser keeps what is stored here until you delete it."
        : "The browser said no. It may say yes once you have installed this page or put it among your bookmarks.",
    );
  } catch (error) {
    notify(noteError(error).message);
  }
  await Promise.all([loadLibrary(), loadStorage()]);
}

/** Entries that can have something newer: those that a branch or tag led to, from the hub that is set. */
export const canUpdate = ({ revision, host }: StoredRepository): boolean =>
  revision !== null && host === hubHost(useHub.getState().address);

/** Asks the hub what the branches of all entries mean now; one after the other, so that it is not flooded. */
export async function checkForUpdates(entries: readonly StoredRepository[]): Promise<void> {
  for (const entry of entries.filter(canUpdate)) {
    note(entry.key, { state: "asking" });
    note(entry.key, await updateOf(entry));
  }
}

const note = (key: string, update: Update): void =>
  useLibrary.setState(({ updates }) => ({ updates: { ...updates, [key]: update } }));

async function updateOf({ kind, id, revision, commit }: StoredRepository): Promise<Update> {
  try {
    const now = await askAbout({ kind, name: id, revision }, true);
    return now.commit === commit ? { state: "current" } : { state: "newer", commit: now.commit };
  } catch (error) {
    return { state: "unknown", why: failureOf(error).message };
  }
}

/** Models first, then datasets, those used last on top. */
export const inOrder = (entries: readonly StoredRepository[]): readonly StoredRepository[] =>
  [...entries].sort((a, b) => (a.kind === b.kind ? b.lastUsed - a.lastUsed : a.kind === "model" ? -1 : 1));
