import { AppError, refuseIfCancelled } from "../lib/errors.ts";
import { Sha256 } from "../lib/sha256.ts";
import { type Span, withSpan } from "../lib/spans.ts";
import { inTurn } from "../lib/turns.ts";
import { type Database, isQuotaError } from "../storage/database.ts";
import {
  findRepository,
  listRepositories,
  putRepository,
  putStoredFile,
  removeRepository,
  storedFile,
  storedFiles,
  wantFiles,
} from "../storage/hub_records.ts";
import type { FileHash, HubLibrary, KeptFile, RepositoryFile, StoredFile } from "./hub_store.ts";
import { checkRange } from "./memory.ts";
import { wait } from "./web_request.ts";

/**
 * The files of hubs in the browser's own file system, a file each in a folder for each commit; which bytes of them are
 * there is in the database, which learns of bytes only after they were brought to disk.
 */
export function opfsHubStore(db: Database, now: () => number, patience = PATIENCE): HubLibrary {
  /** One object for each file, so that all who read it know what is there. */
  const files = new Map<string, Promise<KeptFile | undefined>>();
  const top = async (): Promise<FileSystemDirectoryHandle> =>
    (await navigator.storage.getDirectory()).getDirectoryHandle("hub", { create: true });
  return {
    find: (asked) => findRepository(db, asked),
    keep: (repository, asked) => putRepository(db, repository, asked, now()),
    want: ({ key }, paths) => wantFiles(db, key, paths, now()),
    open: (repository, file) => {
      const key = `${repository.key} ${file.path}`;
      const opened = files.get(key) ?? openKept(db, top, repository.key, file, patience);
      files.set(key, opened);
      opened.catch(() => files.delete(key));
      return opened;
    },
    list: async () => {
      const records = await listRepositories(db);
      await sweep(top, new Set(records.map(({ key }) => nameOf(key))));
      return Promise.all(
        records.map(async (record) => ({ record, files: await storedFiles(db, record.key) })),
      );
    },
    remove: async (key) => {
      // What says that there are bytes goes first: a removal cut short leaves files that nothing counts on.
      await removeRepository(db, key);
      for (const name of files.keys()) if (name.startsWith(`${key} `)) files.delete(name);
      try {
        await ifThere(async () => (await top()).removeEntry(nameOf(key), { recursive: true }));
      } catch {
        // A file that is being read or fetched goes with the next look at the list, or another tab's.
      }
    },
  };
}

async function openKept(
  db: Database,
  top: () => Promise<FileSystemDirectoryHandle>,
  repository: string,
  { path, size }: RepositoryFile & { readonly size: number },
  patience: number,
): Promise<KeptFile | undefined> {
  let folder: FileSystemDirectoryHandle;
  try {
    folder = await (await top()).getDirectoryHandle(nameOf(repository), { create: true });
  } catch {
    // Some private windows have a database and no files. What is fetched is then kept nowhere.
    return undefined;
  }
  const name = nameOf(path);
  const start: StoredFile = { ...{ repository, path, size }, ...NOTHING };
  const known = (await storedFile(db, repository, path)) ?? start;
  const length = await lengthOf(folder, name);
  const isWhole = isIntact(known, size, length);
  if (!isWhole && length > 0) await folder.removeEntry(name);
  return opfsFile(db, folder, name, isWhole ? known : start, patience);
}

const NOTHING = { present: [], etag: null, verified: false } as const;

/** Ids and paths have signs that names of files may not have, and may be longer. */
const nameOf = (text: string): string =>
  new Sha256().update(new TextEncoder().encode(text)).digest().slice(0, 40);

/** The length that the file has fits what was brought to disk. */
function isIntact({ size, present, verified }: StoredFile, expected: number, length: number): boolean {
  const last = present.at(-1)?.[1] ?? 0;
  return size === expected && length >= last && length <= size && (!verified || length === size);
}

async function lengthOf(folder: FileSystemDirectoryHandle, name: string): Promise<number> {
  const file = await ifThere(async () => (await folder.getFileHandle(name)).getFile());
  return file?.size ?? 0;
}

async function ifThere<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "NotFoundError") return undefined;
    throw cause;
  }
}

/** Deletes the folders that no record knows. */
async function sweep(
  top: () => Promise<FileSystemDirectoryHandle>,
  known: ReadonlySet<string>,
): Promise<void> {
  try {
    const folder = await top();
    for await (const name of folder.keys())
      if (!known.has(name)) await folder.removeEntry(name, { recursive: true });
  } catch {
    // A folder that is open in another tab goes the next time; where there are no files there is nothing to clear.
  }
}

/** How long a file may still be held by the tab before, which a reload ends a moment late, in milliseconds. */
const PATIENCE = 2000;
const BETWEEN = 100;

/** Only workers have it, and the types of the page's side do not. */
interface SyncAccessHandle {
  read(into: Uint8Array, options: { readonly at: number }): number;
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  flush(): void;
  truncate(size: number): void;
  close(): void;
}
type WritableFile = FileSystemFileHandle & { createSyncAccessHandle(): Promise<SyncAccessHandle> };

async function openToWrite(handle: WritableFile, path: string, patience: number): Promise<SyncAccessHandle> {
  for (let waited = 0; ; waited += BETWEEN) {
    try {
      return await handle.createSyncAccessHandle();
    } catch (cause) {
      if (!(cause instanceof DOMException && cause.name === "NoModificationAllowedError"))
        throw full(cause, path);
      if (waited >= patience)
        throw new AppError("storage-full", `${path} is being fetched by another tab of this page.`, {
          details: { what: path, otherTab: true },
          cause,
        });
      await wait(BETWEEN);
    }
  }
}

const full = (cause: unknown, path: string): unknown =>
  isQuotaError(cause)
    ? new AppError(
        "storage-full",
        `The browser has no room for ${path}. What was kept before is untouched; delete models, data or runs that are no longer needed.`,
        { details: { what: path }, cause },
      )
    : cause;

/** Bytes that are hashed at once. */
const BLOCK = 8 * 1024 * 1024;

function opfsFile(
  db: Database,
  folder: FileSystemDirectoryHandle,
  name: string,
  start: StoredFile,
  patience: number,
): KeptFile {
  const { size, path } = start;
  let state = start;
  let handle: SyncAccessHandle | undefined;
  /** Deleted since the writing began: what is still on its way belongs to nothing. */
  let isDropped = false;
  const turn = inTurn();
  const record = async (change: Partial<StoredFile>) => {
    state = { ...state, ...change };
    await putStoredFile(db, state);
  };
  const read = async (from: number, to: number): Promise<Uint8Array<ArrayBuffer>> => {
    const bytes = new Uint8Array(to - from);
    const length = handle ? handle.read(bytes, { at: from }) : await readFile(folder, name, bytes, from);
    return checkRange(path, size, from, to, bytes.subarray(0, length));
  };
  return {
    size,
    isSequential: false,
    get present() {
      return state.present;
    },
    get etag() {
      return state.etag;
    },
    get verified() {
      return state.verified;
    },
    read,
    writing: (write) =>
      turn(async () => {
        handle = await openToWrite(
          (await folder.getFileHandle(name, { create: true })) as WritableFile,
          path,
          patience,
        );
        isDropped = false;
        try {
          await write();
        } finally {
          handle.close();
          handle = undefined;
        }
      }),
    write: async (at, bytes) => {
      if (isDropped || !handle) return;
      try {
        // A write may take less than all of it.
        for (let done = 0; done < bytes.length; )
          done += handle.write(bytes.subarray(done), { at: at + done });
      } catch (cause) {
        throw full(cause, path);
      }
    },
    keep: async (span: Span, etag) => {
      if (isDropped || !handle) return;
      handle.flush();
      await record({ present: withSpan(state.present, span), etag });
    },
    digest: (kind, signal) => digest(kind, size, read, signal),
    complete: () => record({ verified: true }),
    discard: async () => {
      isDropped = true;
      await record(NOTHING);
      if (handle) handle.truncate(0);
      else await ifThere(() => folder.removeEntry(name));
    },
  };
}

async function readFile(
  folder: FileSystemDirectoryHandle,
  name: string,
  into: Uint8Array<ArrayBuffer>,
  at: number,
): Promise<number> {
  const file = await (await folder.getFileHandle(name)).getFile();
  const bytes = new Uint8Array(await file.slice(at, at + into.length).arrayBuffer());
  into.set(bytes);
  return bytes.length;
}

/** SHA-256 of the content, or git's name of it: SHA-1 behind a line with its length. */
async function digest(
  kind: FileHash["kind"],
  size: number,
  read: (start: number, end: number) => Promise<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (kind === "git") {
    const head = new TextEncoder().encode(`blob ${size}\0`);
    const all = new Uint8Array(head.length + size);
    all.set(head);
    all.set(await read(0, size), head.length);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-1", all));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  const hash = new Sha256();
  for (let at = 0; at < size; at += BLOCK) {
    refuseIfCancelled(signal);
    hash.update(await read(at, Math.min(size, at + BLOCK)));
  }
  return hash.digest();
}
