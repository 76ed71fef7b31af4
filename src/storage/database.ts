import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { RepositoryRecord, StoredFile } from "../host/hub_store.ts";
import { AppError } from "../lib/errors.ts";
import type { StoredRecord } from "./record_manifest.ts";

export type RunStatus = "running" | "paused" | "stopped" | "finished" | "failed";

/** One line of the list of runs. Times are milliseconds since 1970, given by the caller. */
export interface RunRecord {
  readonly id: string;
  readonly name: string;
  readonly algorithm: string;
  readonly model: string;
  readonly dataset: string;
  /** training_config.yaml, resolved. */
  readonly config: string;
  readonly status: RunStatus;
  readonly step: number;
  readonly maxSteps: number;
  readonly created: number;
  readonly updated: number;
  /** The one number that says how the run goes. */
  readonly heroMetric: { readonly name: string; readonly value: number } | null;
  readonly bestStep: number | null;
  /** A pinned run is never deleted to make room. */
  readonly pinned: boolean;
  /** Why it failed, in the form of an AppError. */
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Why it paused without being asked to; absent in what older versions stored. */
  readonly reason?: string | null;
  /** What was planned of the GPU's memory, part by part, and the most that was taken, in bytes; absent in older ones. */
  readonly memory?: {
    readonly plan: {
      readonly parts: readonly { readonly name: string; readonly bytes: number; readonly help: string }[];
      readonly total: number;
    };
    readonly peak: number;
  };
}

/** A row of an append-only journal of a run: metrics, samples or log lines. */
export interface JournalRow {
  readonly run: string;
  /** 0, 1, 2 … in the order of writing. */
  readonly index: number;
  readonly row: unknown;
}

/** Names the records of a complete checkpoint; written in the transaction that makes it visible. */
export interface CheckpointManifest {
  readonly run: string;
  readonly step: number;
  /** Which writing of this step the records belong to. */
  readonly generation: string;
  readonly records: readonly StoredRecord[];
  readonly bytes: number;
  readonly saved: number;
  readonly pinned: boolean;
}

export interface Heartbeat {
  readonly run: string;
  readonly step: number;
  readonly at: number;
}

/** What was answered and scored before one step. */
export interface StoredRollout {
  readonly run: string;
  /** The first optimizer step that learned from it. */
  readonly step: number;
  /** Counts rollouts of the run from 0. */
  readonly rollout: number;
  readonly records: readonly unknown[];
}

export type JournalName = "metrics" | "samples" | "logs";

interface Schema extends DBSchema {
  runs: { key: string; value: RunRecord; indexes: { updated: number } };
  metrics: { key: [run: string, index: number]; value: JournalRow };
  samples: { key: [run: string, index: number]; value: JournalRow };
  logs: { key: [run: string, index: number]; value: JournalRow };
  manifests: { key: [run: string, step: number]; value: CheckpointManifest };
  records: {
    key: [run: string, step: number, generation: string, name: string];
    value: Uint8Array<ArrayBuffer>;
  };
  heartbeats: { key: string; value: Heartbeat };
  rollouts: { key: [run: string, step: number, rollout: number]; value: StoredRollout };
  hubRepositories: { key: string; value: RepositoryRecord; indexes: { asked: string } };
  hubFiles: { key: [repository: string, path: string]; value: StoredFile };
}

export type Database = IDBPDatabase<Schema>;
export type StoreName =
  | "runs"
  | JournalName
  | "manifests"
  | "records"
  | "heartbeats"
  | "rollouts"
  | "hubRepositories"
  | "hubFiles";

export const STORES: readonly StoreName[] = [
  "runs",
  "metrics",
  "samples",
  "logs",
  "manifests",
  "records",
  "heartbeats",
  "rollouts",
  "hubRepositories",
  "hubFiles",
];

/** Step i brings a database of version i to version i + 1. Only ever add to the end: what is there has been run. */
const MIGRATIONS: readonly ((db: Database) => void)[] = [
  (db) => {
    db.createObjectStore("runs", { keyPath: "id" }).createIndex("updated", "updated");
    db.createObjectStore("metrics", { keyPath: ["run", "index"] });
    db.createObjectStore("samples", { keyPath: ["run", "index"] });
    db.createObjectStore("logs", { keyPath: ["run", "index"] });
    db.createObjectStore("manifests", { keyPath: ["run", "step"] });
    db.createObjectStore("records");
    db.createObjectStore("heartbeats", { keyPath: "run" });
  },
  (db) => {
    db.createObjectStore("rollouts", { keyPath: ["run", "step", "rollout"] });
  },
  (db) => {
    const repositories = db.createObjectStore("hubRepositories", { keyPath: "key" });
    repositories.createIndex("asked", "asked", { multiEntry: true });
    db.createObjectStore("hubFiles", { keyPath: ["repository", "path"] });
  },
];

/**
 * Opens the app's database and brings it to the newest version. When another tab needs a newer version, this connection
 * closes at once and `onClosed` is told, so that the page can ask for a reload; the same when the browser ends it.
 */
export function openDatabase(name = "aligntune", onClosed?: () => void): Promise<Database> {
  return openDB<Schema>(name, MIGRATIONS.length, {
    upgrade(db, oldVersion) {
      for (const migrate of MIGRATIONS.slice(oldVersion)) migrate(db);
    },
    blocking(_current, _blocked, event) {
      if (event.target instanceof IDBDatabase) event.target.close();
      onClosed?.();
    },
    terminated: () => onClosed?.(),
  });
}

/** What browsers throw when the origin's room is used up, at the write or at the end of its transaction. */
export function isQuotaError(cause: unknown): boolean {
  return (
    typeof cause === "object" &&
    cause !== null &&
    "name" in cause &&
    ["QuotaExceededError", "NS_ERROR_FILE_NO_DEVICE_SPACE"].includes(String(cause.name))
  );
}

/** Runs a write. Throws `storage-full` when the browser has no room for it; what was there before is untouched. */
export async function writing<T>(what: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    if (!isQuotaError(cause)) throw cause;
    throw new AppError(
      "storage-full",
      `The browser has no room for ${what}. What was saved before is untouched; delete old checkpoints or models, or download this one.`,
      { details: { what }, cause },
    );
  }
}

/** All keys that start with these parts. An empty array sorts after every number and text. */
export function prefix(...parts: readonly (string | number)[]): IDBKeyRange {
  return IDBKeyRange.bound([...parts], [...parts, []]);
}

/**
 * Makes the writes of one transaction: all of them or none. A write that throws at once (a value that cannot be cloned)
 * aborts the transaction, which would otherwise keep what came before it.
 */
export async function atomically(
  tx: { readonly done: Promise<void>; abort(): void },
  writes: Iterable<() => Promise<unknown>>,
): Promise<void> {
  const pending: Promise<unknown>[] = [tx.done];
  try {
    for (const write of writes) pending.push(write());
  } catch (cause) {
    tx.abort();
    await Promise.allSettled(pending);
    throw cause;
  }
  await Promise.all(pending);
}
