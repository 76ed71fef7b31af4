import type { Span } from "../lib/spans.ts";

/** What a host keeps of hubs: the listings of commits, and the bytes of files as they arrive. */

export type RepositoryKind = "models" | "datasets";

/** What the hub says a file's content is: SHA-256 of a large file, or git's name of a small one. */
export interface FileHash {
  readonly kind: "sha256" | "git";
  readonly hex: string;
}

export interface RepositoryFile {
  readonly path: string;
  /** Null where the hub does not say. */
  readonly size: number | null;
  readonly hash: FileHash | null;
}

/** One commit of a repository, and what lies in it. Plain data, which is kept as it is. */
export interface Repository {
  /** Names the commit at its hub. */
  readonly key: string;
  readonly endpoint: string;
  readonly kind: RepositoryKind;
  /** The canonical id: `gsm8k` is openai/gsm8k. */
  readonly id: string;
  readonly commit: string;
  readonly files: readonly RepositoryFile[];
  readonly licence: string | null;
  readonly gated: false | "auto" | "manual";
  readonly private: boolean;
  readonly parameters: number | null;
}

/** A repository by the name and revision that a person gave. */
export interface Asked {
  readonly endpoint: string;
  readonly kind: RepositoryKind;
  readonly id: string;
  /** Null is the main branch. */
  readonly revision: string | null;
}

export interface RepositoryRecord extends Repository {
  /** Every name and revision that means this commit, as `askedKey` writes them. */
  readonly asked: readonly string[];
  /** The files that are needed of it; the rest of the listing is of no use here. */
  readonly wanted: readonly string[];
  readonly lastUsed: number;
}

/** What is known of the bytes of a file that are here. */
export interface StoredFile {
  readonly repository: string;
  readonly path: string;
  readonly size: number;
  /** What was written and brought to disk, ascending and apart. */
  readonly present: readonly Span[];
  /** What the server called the content that the bytes are of. */
  readonly etag: string | null;
  /** All of it is here, and it has the length and the hash that the hub says. */
  readonly verified: boolean;
}

export const askedKey = ({ endpoint, kind, id, revision }: Asked): string =>
  [endpoint, kind, id, revision ?? "main"].join(" ");

export const repositoryKey = (endpoint: string, kind: RepositoryKind, id: string, commit: string): string =>
  [endpoint, kind, id, commit].join(" ");

/** The bytes of one file that are here. */
export interface KeptFile {
  readonly size: number;
  /** What was written and brought to disk. */
  readonly present: readonly Span[];
  readonly etag: string | null;
  readonly verified: boolean;
  /** Bytes can only be added behind those that are there. */
  readonly isSequential: boolean;
  /** Of bytes that are present. */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Holds the file for writing meanwhile. Throws `storage-full` when another tab or program does. */
  writing(write: () => Promise<void>): Promise<void>;
  /** Throws `storage-full`. */
  write(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Brings what was written to disk, and then counts the span as present. */
  keep(span: Span, etag: string | null): Promise<void>;
  /** Throws `cancelled`. */
  digest(kind: FileHash["kind"], signal?: AbortSignal): Promise<string>;
  /** All of it is here and right. */
  complete(): Promise<void>;
  /** Deletes it, so that it is fetched anew. */
  discard(): Promise<void>;
}

export interface HubStore {
  /** The commit that a name and revision mean here; undefined when nothing of it is kept. */
  find(asked: Asked): Promise<Repository | undefined>;
  /** Keeps a listing: from now on `asked` means it. */
  keep(repository: Repository, asked: Asked): Promise<void>;
  /** The bytes of a file, as they were left. Undefined when it cannot be kept. */
  open(
    repository: Repository,
    file: RepositoryFile & { readonly size: number },
  ): Promise<KeptFile | undefined>;
  /** Says which files are needed of a repository, beside those that were said before: with all of them it is complete. */
  want?(repository: Repository, paths: readonly string[]): Promise<void>;
}

/** A store that people see into. */
export interface HubLibrary extends HubStore {
  want(repository: Repository, paths: readonly string[]): Promise<void>;
  list(): Promise<readonly { readonly record: RepositoryRecord; readonly files: readonly StoredFile[] }[]>;
  /** Deletes what is kept of one commit. */
  remove(key: string): Promise<void>;
}
