/** What a hub has, and what of it lies on this device. */

export interface HubModelInfo {
  /** Of the stored repository, and of what is told while it is fetched. */
  readonly key: string;
  /** As it was asked for. */
  readonly name: string;
  /** The repository's own id: older names lead to it. */
  readonly id: string;
  readonly commit: string;
  readonly host: string;
  readonly licence: string | null;
  /** False, or how access is given once the terms are accepted: at once, or by the owner's hand. */
  readonly gated: false | "auto" | "manual";
  readonly private: boolean;
  /** `model_type` of its config.json; null for an adapter, or a config.json that names none. */
  readonly modelType: string | null;
  /** Null when it can be trained here; else why not, and the supported types that are nearest. */
  readonly supported: null | { readonly reason: string; readonly nearest: readonly string[] };
  /** Weights and tokenizer: all that is fetched for training. */
  readonly bytes: number;
  /** As the hub counted them. */
  readonly parameters: number | null;
  /** How much of `bytes` is on this device. */
  readonly storedBytes: number;
  /** All of it is here, and its hashes were right: no request is made for it any more. */
  readonly complete: boolean;
}

export interface HubDatasetInfo {
  readonly key: string;
  readonly name: string;
  readonly id: string;
  readonly commit: string;
  readonly host: string;
  readonly licence: string | null;
  readonly gated: false | "auto" | "manual";
  readonly private: boolean;
  readonly subsets: readonly HubSubset[];
  /** The one that is taken when none is named; null when one has to be. */
  readonly defaultSubset: string | null;
}

export interface HubSubset {
  readonly name: string;
  readonly splits: readonly {
    readonly name: string;
    /** Null where the hub does not say. */
    readonly bytes: number | null;
    readonly files: readonly string[];
  }[];
}

/** One commit of a repository of which something is kept on this device. */
export interface StoredRepository {
  readonly key: string;
  readonly kind: "model" | "dataset";
  readonly id: string;
  readonly commit: string;
  /** The branch or tag that means this commit here until it is looked up again; null when only the commit does. */
  readonly revision: string | null;
  readonly host: string;
  /** On this device. */
  readonly bytes: number;
  /** Of the files that were asked for. */
  readonly totalBytes: number;
  readonly complete: boolean;
  /** Milliseconds since 1970. */
  readonly lastUsed: number;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly size: number }[];
}

export interface Library {
  readonly entries: readonly StoredRepository[];
  /** What the browser counts for the whole app, in bytes; 0 where it does not say. */
  readonly used: number;
  readonly quota: number;
  /** The browser does not clear it by itself. */
  readonly persistent: boolean;
}

/** Bytes of a repository that are on this device, while more arrive. */
export interface DownloadProgress {
  readonly key: string;
  /** The repository's id. */
  readonly name: string;
  readonly done: number;
  readonly total: number;
  /** Bytes a second; absent until it is known. */
  readonly rate?: number;
}
