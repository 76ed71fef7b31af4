import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { AppError, invariant } from "../lib/errors.ts";
import type { Asset, Folder } from "./host.ts";
import { checkRange } from "./memory.ts";

/** Files and folders on disk. */

export async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch (cause) {
    if (isErrno(cause, "ENOENT", "ENOTDIR", "ENAMETOOLONG")) return undefined;
    throw cause;
  }
}

export function isErrno(cause: unknown, ...codes: string[]): boolean {
  return cause instanceof Error && "code" in cause && codes.includes(String(cause.code));
}

/** A folder on disk; `name` is what messages call it. */
export function nodeFolder(path: string, name = path): Folder {
  return {
    name,
    list: async () => (await readdir(path)).sort(),
    open: async (file) => {
      invariant(basename(file) === file, `${file} is a plain file name`);
      const full = join(path, file);
      return (await kindOf(full)) === "file" ? nodeAsset(full) : undefined;
    },
  };
}

/** A file on disk, read by range. The handle is opened for each read, so that nothing has to be closed. */
export async function nodeAsset(path: string): Promise<Asset> {
  const { size } = await stat(path);
  const name = basename(path);
  const read = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
    const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - start));
    const handle = await openToRead(path);
    try {
      return checkRange(name, size, start, end, bytes.subarray(0, await readFully(handle, bytes, start)));
    } finally {
      await handle.close();
    }
  };
  return { name, size, read };
}

/** Throws `file-invalid` when the person may not read the file. */
async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (cause) {
    if (!isErrno(cause, "EACCES", "EPERM")) throw cause;
    throw new AppError("file-invalid", `No permission to read ${path}. Change its permissions or copy it.`, {
      details: { file: path },
      cause,
    });
  }
}

/** One read call may give less than asked, and never more than 2 GiB; this goes on until the end of the file. */
async function readFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const length = Math.min(bytes.length - done, 1 << 30);
    const { bytesRead } = await handle.read(bytes, done, length, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
