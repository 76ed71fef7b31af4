import { AppError } from "../lib/errors.ts";
import type { Asset, Folder } from "./host.ts";

/** An asset over bytes that are already here: text typed by a person, an unpacked archive, a test. */
export function memoryAsset(name: string, bytes: Uint8Array<ArrayBuffer>): Asset {
  return {
    name,
    size: bytes.length,
    read: async (start, end) => checkRange(name, bytes.length, start, end, bytes.slice(start, end)),
  };
}

/** A folder over bytes that are already here. */
export function memoryFolder(
  name: string,
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>> | Readonly<Record<string, Uint8Array<ArrayBuffer>>>,
): Folder {
  const map = files instanceof Map ? files : new Map(Object.entries(files));
  return {
    name,
    list: () => Promise.resolve([...map.keys()].sort()),
    open: (file) => {
      const bytes = map.get(file);
      return Promise.resolve(bytes && memoryAsset(file, bytes));
    },
  };
}

/**
 * Hands `bytes` on when they are what was asked for. Throws `file-invalid` when the range lies outside the file or the
 * source gave fewer bytes than it promised, which is what a file cut or replaced under us looks like.
 */
export function checkRange(
  name: string,
  size: number,
  start: number,
  end: number,
  bytes: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  if (!(start >= 0 && start <= end && end <= size)) {
    throw new AppError("file-invalid", `${name}: bytes ${start} to ${end} were asked for; it has ${size}.`, {
      details: { file: name, start, end, size },
    });
  }
  if (bytes.length !== end - start) {
    throw new AppError(
      "file-invalid",
      `${name}: bytes ${start} to ${end} came as ${bytes.length} bytes. The file was cut or changed while in use; choose it again.`,
      { details: { file: name, start, end, size, received: bytes.length } },
    );
  }
  return bytes;
}
