import type { UserCode } from "./user_code.ts";

/**
 * What differs between the browser and Node, in one interface. The engine (trainer, model, data) receives a Host and
 * imports neither implementation: host/browser.ts (fetch, IndexedDB) and host/node.ts (files).
 */

/** A named, read-only collection of bytes: one file of a model folder, a dataset, an adapter. */
export interface Asset {
  readonly name: string;
  readonly size: number;
  /** Bytes [start, end). Throws `file-invalid` when the source is shorter than it said. */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Present for a file that is fetched as it is read, and kept on this device. */
  readonly stored?: {
    /** How many of its bytes are here. */
    bytes(): number;
    /** Brings all of it here; when it is cancelled, what arrived stays. Throws `storage-full`, `network`, `file-invalid`, `cancelled`. */
    fetch(signal?: AbortSignal): Promise<void>;
    /** From now on what is not here is read without being kept. */
    leave(): void;
  };
}

/** Which rows of a dataset with subsets and splits are meant. */
export interface DatasetPart {
  /** Null is the dataset's default, or only, subset. */
  readonly subset: string | null;
  /** A split, perhaps with a slice such as train[:100]; of several, the first that there is. */
  readonly split: string | readonly string[];
}

/** A dataset as a host found it: one file, or a split of a repository. */
export interface DatasetAsset extends Asset {
  /** Further files of the same split, in order. */
  readonly more?: readonly Asset[];
  /** A folder of this device, of which nothing is fetched. */
  readonly local?: true;
  /** Present for a repository or folder, which has subsets and splits: those taken, and the splits that there are. */
  readonly part?: {
    readonly subset: string;
    readonly split: string;
    readonly splits: readonly string[];
  };
}

/** A folder of assets: a model or an adapter in the Hugging Face layout. */
export interface Folder {
  /** What the person called it: a path, an id, the name of a dropped folder. */
  readonly name: string;
  /** The commit, for a folder of a repository. */
  readonly revision?: string;
  /** Bytes of each file, for a repository whose files are fetched as they are read. */
  readonly sizes?: ReadonlyMap<string, number>;
  /** How many bytes of a file are on this device, for such a repository; nothing is fetched to say so. */
  readonly stored?: (file: string) => Promise<number>;
  /** Sorted names; a web server, which cannot list, gives those that were found so far. */
  list(): Promise<readonly string[]>;
  /** A plain file name. Undefined when the folder has no such file. */
  open(file: string): Promise<Asset | undefined>;
}

/** Named byte records that are written aside and swapped in as a whole; see storage/checkpoints.ts for the content. */
export interface CheckpointStore {
  /**
   * Writes all records under `run`/`step`, then makes them visible at once in place of what was there. When anything
   * fails, the records included, what was there stays. Throws `storage-full`.
   */
  save(run: string, step: number, records: AsyncIterable<CheckpointRecord>): Promise<void>;
  /** Steps of the complete checkpoints of a run, ascending. Half-written ones are never listed. */
  steps(run: string): Promise<readonly number[]>;
  /** Undefined when the checkpoint has no record of that name. Throws `checkpoint-invalid` when its hash is another. */
  load(run: string, step: number, record: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  remove(run: string, step: number): Promise<void>;
}

export interface CheckpointRecord {
  /** A plain file name: letters, digits, dot, dash, underscore; no dot in front. */
  readonly name: string;
  /** At most 64 MB; larger tensors come as several records. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface Host {
  /**
   * Resolves a model name or path; `revision` is the branch, tag or commit of a repository. Throws `file-missing` naming what
   * was looked for and where, and for repositories also `access-denied` and `network`.
   */
  openModel(name: string, revision?: string | null): Promise<Folder>;
  /**
   * Resolves a dataset name or path to a file, or to the files of a repository's split; without `part` that is the default
   * subset's train. Throws as openModel does, and `config-invalid` for a subset or split that there is not.
   */
  openDataset(name: string, part?: DatasetPart): Promise<DatasetAsset>;
  openAdapter(name: string): Promise<Folder>;
  /** The text of a file of a person's code. Throws `file-missing`, `file-invalid`. */
  readText(path: string): Promise<string>;
  /** A path that a file names, from where we are: files are written relative to the one that names them. */
  pathBeside(file: string, path: string): Promise<string>;
  /** Where a person's code runs: rewards and functions on rows. */
  readonly userCode: UserCode;
  readonly checkpoints: CheckpointStore;
  /** Milliseconds from a monotonic clock; only for rates shown to people, never for decisions. */
  now(): number;
  log(level: "info" | "warn" | "error", message: string): void;
}
