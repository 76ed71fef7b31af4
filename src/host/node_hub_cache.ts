import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { AppError, refuseIfCancelled } from "../lib/errors.ts";
import { hubId, isCommit, isPath, isRevision } from "../lib/hub.ts";
import type { Span } from "../lib/spans.ts";
import { inTurn } from "../lib/turns.ts";
import {
  type FileHash,
  type HubStore,
  type KeptFile,
  type Repository,
  type RepositoryFile,
  repositoryKey,
} from "./hub_store.ts";
import { isErrno, kindOf, nodeAsset } from "./node_files.ts";

/**
 * The cache of huggingface_hub, so that Python's tools and this one have one copy: blobs/ by the hash of their content,
 * snapshots/COMMIT/ with links to them, refs/ with the commit of a branch. What has not arrived whole is
 * blobs/HASH.incomplete, whose length says how much there is. Beside them lies what the hub listed, in .listings/COMMIT.json.
 */
export function nodeHubStore(cache: string, isOffline = false): HubStore {
  /** One object for each file, so that all who read it know what is there. */
  const files = new Map<string, Promise<KeptFile | undefined>>();
  const folderOf = (kind: string, id: string) => join(cache, `${kind}--${id.split("/").join("--")}`);
  return {
    find: async (asked) => {
      if (!isOfHub(asked.id) || !isRevision(asked.revision ?? "main")) return undefined;
      const folder = folderOf(asked.kind, asked.id);
      const commit = await commitOf(folder, asked.revision ?? "main");
      const listed = await readListing(join(folder, LISTINGS, `${commit}.json`));
      // What another program fetched may be a part of what there is, which only the hub could say.
      const known = listed ?? (isOffline ? await readSnapshot(join(folder, "snapshots", commit)) : undefined);
      const { endpoint, kind } = asked;
      const id = listed && isOfHub(listed.id) ? listed.id : asked.id;
      return (
        known && {
          ...EMPTY,
          ...known,
          key: repositoryKey(endpoint, kind, id, commit),
          endpoint,
          kind,
          id,
          commit,
        }
      );
    },
    keep: async (repository, asked) => {
      const { kind, id, commit } = repository;
      if (!isCommit(commit) || !isRevision(asked.revision ?? "main") || ![id, asked.id].every(isOfHub))
        return;
      try {
        for (const name of new Set([id, asked.id])) {
          const folder = folderOf(kind, name);
          const revision = asked.revision ?? "main";
          if (revision !== commit) await writeWhole(join(folder, "refs", revision), commit);
          await writeWhole(join(folder, LISTINGS, `${commit}.json`), JSON.stringify(repository));
        }
      } catch (cause) {
        if (!cannotWrite(cause)) throw cause;
      }
    },
    open: (repository, file) => {
      const { id, commit } = repository;
      if (!isOfHub(id) || !isCommit(commit) || !isPath(file.path)) return Promise.resolve(undefined);
      const folder = folderOf(repository.kind, repository.id);
      const key = join(folder, repository.commit, file.path);
      const opened = files.get(key) ?? openIfPossible(folder, repository.commit, file);
      files.set(key, opened);
      opened.catch(() => files.delete(key));
      return opened;
    },
  };
}

/** What names come from outside never leads out of the folder of the cache. */
const isOfHub = (id: string): boolean => hubId(id)?.id === id;

const LISTINGS = ".listings";
const EMPTY = { licence: null, gated: false, private: false, parameters: null } as const;

/** A cache on a disk that is read-only, or of somebody else, or that cannot have a name: then what is fetched is kept nowhere. */
const cannotWrite = (cause: unknown): boolean =>
  isErrno(cause, "EACCES", "EPERM", "EROFS", "ENAMETOOLONG", "EINVAL", "ENOTDIR", "EISDIR", "EEXIST");

/** The commit that a branch or tag means here; what is neither is taken for a commit. */
export async function commitOf(folder: string, revision: string): Promise<string> {
  const reference = join(folder, "refs", revision);
  if ((await kindOf(reference)) !== "file") return revision;
  const commit = (await readFile(reference, "utf8")).trim();
  return isCommit(commit) ? commit : revision;
}

async function readListing(path: string): Promise<Repository | undefined> {
  if ((await kindOf(path)) !== "file") return undefined;
  try {
    const listing = JSON.parse(await readFile(path, "utf8")) as Repository;
    return { ...listing, files: listing.files.filter((file) => isPath(file.path)) };
  } catch {
    // A listing that was cut is no loss: the hub has it.
    return undefined;
  }
}

/** What lies in a snapshot that another program made, when all the files of the split or model may be there. */
async function readSnapshot(path: string): Promise<Pick<Repository, "files"> | undefined> {
  if ((await kindOf(path)) !== "folder") return undefined;
  const names = (await readdir(path, { recursive: true })).map((name) => name.replaceAll("\\", "/")).sort();
  const files: RepositoryFile[] = [];
  for (const name of names) {
    const info = await stat(join(path, name)).catch(() => undefined);
    if (info?.isFile()) files.push({ path: name, size: info.size, hash: null });
  }
  return { files };
}

/** Written aside and renamed, so that it is never seen half. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${randomUUID()}.new`;
  await writeFile(aside, text);
  await rename(aside, path);
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await kindOf(path)) === "file" ? (await stat(path)).size : undefined;
}

type SizedFile = RepositoryFile & { readonly size: number };

async function openIfPossible(
  folder: string,
  commit: string,
  file: SizedFile,
): Promise<KeptFile | undefined> {
  try {
    const { path, size } = file;
    const pointer = join(folder, "snapshots", commit, ...path.split("/"));
    if ((await sizeOf(pointer)) === size) return wholeFile(pointer, size);
    // Without a hash there is no name for it that Python's tools would look under.
    return file.hash === null ? undefined : await openKept(folder, pointer, size, file.hash);
  } catch (cause) {
    if (cannotWrite(cause)) return undefined;
    throw cause;
  }
}

/** A file of which nothing has to be fetched any more. */
async function wholeFile(path: string, size: number): Promise<KeptFile> {
  const { read } = await nodeAsset(path);
  const nothing = async () => {};
  return {
    ...{ size, present: [[0, size]], etag: null, verified: true, isSequential: true, read },
    ...{ write: nothing, keep: nothing, complete: nothing, digest: async () => "" },
    ...{ writing: (write) => write(), discard: () => rm(path, { force: true }) },
  };
}

async function openKept(folder: string, pointer: string, size: number, hash: FileHash): Promise<KeptFile> {
  const blob = join(folder, "blobs", hash.hex);
  const incomplete = `${blob}.incomplete`;
  await mkdir(dirname(blob), { recursive: true });
  await mkdir(dirname(pointer), { recursive: true });
  await rm(pointer, { force: true });
  let verified = (await sizeOf(blob)) === size;
  if (verified) await link(blob, pointer);
  else await rm(blob, { force: true });
  let here = (await sizeOf(incomplete)) ?? 0;
  if (here > size) {
    await rm(incomplete, { force: true });
    here = 0;
  }
  const read = async (start: number, end: number) =>
    (await nodeAsset(verified ? pointer : incomplete)).read(start, end);
  const turn = inTurn();
  let handle: Awaited<ReturnType<typeof open>> | undefined;
  const close = async () => {
    await handle?.close();
    handle = undefined;
  };
  return {
    ...{ size, isSequential: true, etag: hash.hex, read },
    get verified() {
      return verified;
    },
    get present(): readonly Span[] {
      const end = verified ? size : here;
      return end === 0 ? [] : [[0, end]];
    },
    writing: (write) =>
      turn(async () => {
        if (verified) return;
        handle = await open(incomplete, "a");
        try {
          await write();
        } finally {
          await close();
        }
      }),
    write: async (at, bytes) => {
      if (!handle) return;
      await refuseOthers(handle, at, incomplete);
      try {
        await handle.appendFile(bytes);
      } catch (cause) {
        throw diskFull(cause, incomplete);
      }
    },
    keep: async ([, end]) => {
      here = end;
    },
    digest: (kind, signal) => digest(kind, size, read, signal),
    complete: async () => {
      await handle?.sync();
      await close();
      await rename(incomplete, blob);
      await link(blob, pointer);
      verified = true;
    },
    discard: async () => {
      await close();
      here = 0;
      await rm(incomplete, { force: true });
    },
  };
}

/** Two programs that add to one file would spoil it: its length says whether somebody else does. */
async function refuseOthers(
  handle: Awaited<ReturnType<typeof open>>,
  at: number,
  path: string,
): Promise<void> {
  const { size } = await handle.stat();
  if (size === at) return;
  throw new AppError(
    "network",
    `Another program is downloading ${path}: it has ${size} bytes where ${at} were expected. Wait until it is done and try again; if there is none, delete the file.`,
    { details: { path, size, expected: at } },
  );
}

/** As huggingface_hub does: a relative link, or where links are not allowed the file itself. */
async function link(blob: string, pointer: string): Promise<void> {
  await rm(pointer, { force: true });
  try {
    await symlink(relative(dirname(pointer), blob), pointer);
  } catch (cause) {
    if (!isErrno(cause, "EPERM", "EACCES", "ENOSYS", "UNKNOWN")) throw cause;
    await rename(blob, pointer);
  }
}

/** Bytes that are hashed at once. */
const BLOCK = 8 * 1024 * 1024;

async function digest(
  kind: FileHash["kind"],
  size: number,
  read: (start: number, end: number) => Promise<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash(kind === "git" ? "sha1" : "sha256");
  if (kind === "git") hash.update(`blob ${size}\0`);
  for (let at = 0; at < size; at += BLOCK) {
    refuseIfCancelled(signal);
    hash.update(await read(at, Math.min(size, at + BLOCK)));
  }
  return hash.digest("hex");
}

function diskFull(cause: unknown, path: string): unknown {
  if (!isErrno(cause, "ENOSPC", "EDQUOT", "EFBIG")) return cause;
  return new AppError(
    "storage-full",
    `No room on the disk for ${path}. What was downloaded of it stays; free some space, or name another folder with HF_HUB_CACHE.`,
    { details: { path }, cause },
  );
}
