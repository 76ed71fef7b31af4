import { unzipSync, Zip, ZipPassThrough } from "fflate";
import type { Asset, Folder } from "../host/host.ts";
import { memoryFolder } from "../host/memory.ts";
import { AppError } from "../lib/errors.ts";

/** Read at a time: small enough to keep the tab responsive, large enough to keep a disk busy. */
const CHUNK = 4 * 1024 * 1024;

/** The format without its 64-bit extension ends here. */
const MAX_ZIP_BYTES = 0xffff_ffff;

/**
 * The files as one zip in store mode (weights do not compress), in the order given, as a stream that reads only as fast
 * as it is read. Every file lies in `folder` and has the same date, so the same files give the same bytes.
 * Throws `file-invalid` when the files are too large for a zip.
 */
export function zipStream(folder: string, files: readonly Asset[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  const total = files.reduce((sum, { size, name }) => sum + size + 2 * name.length + 200, 0);
  if (total > MAX_ZIP_BYTES) {
    throw new AppError(
      "file-invalid",
      `These files have ${total} bytes; a zip holds at most ${MAX_ZIP_BYTES}. Save them one by one instead.`,
      { details: { total, limit: MAX_ZIP_BYTES } },
    );
  }
  const chunks = zipChunks(folder, files);
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => {
      await chunks.return(undefined);
    },
  });
}

async function* zipChunks(
  folder: string,
  files: readonly Asset[],
): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
  const made: Uint8Array<ArrayBuffer>[] = [];
  const zip = new Zip((error, chunk) => {
    if (error) throw error;
    if (chunk.length > 0) made.push(chunk);
  });
  for (const file of files) {
    const entry = new ZipPassThrough(`${folder}/${file.name}`);
    // The format's first day. It is written and read in local time, so the bytes are the same in every zone.
    entry.mtime = new Date(1980, 0, 1);
    zip.add(entry);
    let at = 0;
    do {
      const end = Math.min(at + CHUNK, file.size);
      entry.push(await file.read(at, end), end === file.size);
      at = end;
      yield* made.splice(0);
    } while (at < file.size);
  }
  zip.end();
  yield* made.splice(0);
  return undefined;
}

/** More than any adapter or checkpoint that a browser made, and little enough to be held. */
const MAX_UNZIPPED_BYTES = 1024 * 1024 * 1024;

/**
 * A zip that a person dropped, as a folder of its files by their last name: the folder inside that most zips have is
 * passed over. It is read by its directory at the end, since the weights may hold bytes that look like the start of a file.
 * Throws `file-invalid` for what is no zip, is damaged, is larger than `limit`, or has two files of one name.
 */
export async function readZipFolder(asset: Asset, limit = MAX_UNZIPPED_BYTES): Promise<Folder> {
  const refuse = (why: string, cause?: unknown) =>
    new AppError("file-invalid", `${asset.name}: ${why}`, { details: { file: asset.name }, cause });
  if (asset.size > limit) throw refuse(`it has ${asset.size} bytes; at most ${limit} are read.`);
  const bytes = await asset.read(0, asset.size);
  let size = 0;
  const filter = ({ name, originalSize }: { name: string; originalSize: number }) => {
    if (name.endsWith("/") || name.startsWith("__MACOSX/")) return false;
    size += originalSize;
    if (size > limit) throw refuse(`its files have more than ${limit} bytes.`);
    return true;
  };
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  try {
    for (const [path, content] of Object.entries(unzipSync(bytes, { filter }))) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      if (files.has(name)) throw refuse(`it has two files called ${name}.`);
      files.set(name, content);
    }
  } catch (cause) {
    throw cause instanceof AppError ? cause : refuse(`it is no sound zip file (${String(cause)}).`, cause);
  }
  if (files.size === 0) throw refuse("it holds no files.");
  return memoryFolder(asset.name, files);
}
