import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { AppError, invariant } from "../lib/errors.ts";
import {
  describeRecord,
  MAX_RECORD_BYTES,
  type StoredRecord,
  verifyRecord,
} from "../storage/record_manifest.ts";
import type { Asset, CheckpointRecord, CheckpointStore, Folder, Host } from "./host.ts";
import { checkRange } from "./memory.ts";

export interface NodeHostOptions {
  /** The app's public folder: models/NAME and datasets/NAME.jsonl in it are known by name. */
  readonly publicDir: string;
  /** The folder that gets a run's checkpoint-STEP folders. */
  readonly runDir: (run: string) => string;
  /** Standard error by default, so that standard output stays free for results. */
  readonly log?: Host["log"];
}

/** The host of the command line and of tests: models, datasets and adapters are paths, checkpoints are folders. */
export function createNodeHost(options: NodeHostOptions): Host {
  const models = join(options.publicDir, "models");
  const datasets = join(options.publicDir, "datasets");
  return {
    openModel: (name) => openFolder("model", name, [name, ...known(models, name)]),
    openDataset: (name) => openFile("dataset", name, [name, ...known(datasets, name, ".jsonl")]),
    openAdapter: (name) => openFolder("adapter", name, [name]),
    checkpoints: nodeCheckpoints(options.runDir),
    now: () => performance.now(),
    log: options.log ?? ((level, message) => process.stderr.write(`${level}: ${message}\n`)),
  };
}

/** The place that a plain name has in the app; a path has none. */
function known(folder: string, name: string, extension = ""): string[] {
  return /^[\w-][\w.-]*$/.test(name) ? [join(folder, name + extension)] : [];
}

async function openFolder(what: string, name: string, places: readonly string[]): Promise<Folder> {
  for (const place of places) {
    if ((await kindOf(place)) === "folder") return nodeFolder(place, name);
  }
  return missing(`${what} folder`, name, places);
}

async function openFile(what: string, name: string, places: readonly string[]): Promise<Asset> {
  for (const place of places) {
    if ((await kindOf(place)) === "file") return nodeAsset(place);
  }
  return missing(`${what} file`, name, places);
}

function missing(what: string, name: string, places: readonly string[]): never {
  const looked = places.map((place) => resolve(place));
  throw new AppError("file-missing", `No ${what} "${name}". Looked for ${looked.join(" and ")}.`, {
    details: { name, looked },
  });
}

async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch (cause) {
    if (isErrno(cause, "ENOENT", "ENOTDIR", "ENAMETOOLONG")) return undefined;
    throw cause;
  }
}

function isErrno(cause: unknown, ...codes: string[]): boolean {
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
    const handle = await open(path);
    try {
      return checkRange(name, size, start, end, bytes.subarray(0, await readFully(handle, bytes, start)));
    } finally {
      await handle.close();
    }
  };
  return { name, size, read };
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

/** Names every record of a complete checkpoint; written last. */
const MANIFEST = "records.json";

/**
 * Checkpoints as folders RUN/checkpoint-STEP with a file for each record. A checkpoint is written to a folder of another
 * name, brought to disk, and then renamed: it is there as a whole or not at all.
 */
function nodeCheckpoints(runDir: (run: string) => string): CheckpointStore {
  const final = (run: string, step: number) => join(runDir(run), `checkpoint-${step}`);
  return {
    save: async (run, step, records) => {
      await mkdir(runDir(run), { recursive: true });
      await recover(runDir(run));
      const temporary = join(runDir(run), `.checkpoint-${step}.new`);
      try {
        await rm(temporary, { recursive: true, force: true });
        await mkdir(temporary);
        await writeRecords(temporary, records);
        await swap(temporary, final(run, step), join(runDir(run), `.checkpoint-${step}.old`));
      } catch (cause) {
        await rm(temporary, { recursive: true, force: true });
        throw diskFull(cause, final(run, step));
      }
    },
    steps: async (run) => {
      if ((await kindOf(runDir(run))) !== "folder") return [];
      await recover(runDir(run));
      const steps: number[] = [];
      for (const name of await readdir(runDir(run))) {
        const step = /^checkpoint-(\d+)$/.exec(name)?.[1];
        if (step !== undefined && (await kindOf(join(runDir(run), name, MANIFEST))) === "file")
          steps.push(Number(step));
      }
      return steps.sort((a, b) => a - b);
    },
    load: async (run, step, record) => {
      const folder = final(run, step);
      const stored = (await readManifest(folder)).find(({ name }) => name === record);
      if (stored === undefined) return undefined;
      const file = join(folder, record);
      const bytes = (await kindOf(file)) === "file" ? new Uint8Array(await readFile(file)) : undefined;
      return verifyRecord(folder, stored, bytes);
    },
    remove: async (run, step) => {
      // The manifest goes first: a removal cut short leaves something that is never listed.
      await rm(join(final(run, step), MANIFEST), { force: true });
      await rm(final(run, step), { recursive: true, force: true });
    },
  };
}

async function writeRecords(folder: string, records: AsyncIterable<CheckpointRecord>): Promise<void> {
  const stored: StoredRecord[] = [];
  for await (const record of records) {
    invariant(/^[\w-][\w.-]*$/.test(record.name) && record.name !== MANIFEST, `record name ${record.name}`);
    invariant(record.bytes.length <= MAX_RECORD_BYTES, `record ${record.name} is at most 64 MB`);
    await writeSynced(join(folder, record.name), record.bytes);
    stored.push(await describeRecord(record));
  }
  await writeSynced(
    join(folder, MANIFEST),
    new TextEncoder().encode(JSON.stringify({ format: 1, records: stored }, null, 1)),
  );
  await syncFolder(folder);
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, "w");
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes names durable. Windows has no such call and needs none. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function swap(temporary: string, final: string, old: string): Promise<void> {
  const replaces = (await kindOf(final)) === "folder";
  if (replaces) await rename(final, old);
  await rename(temporary, final);
  await syncFolder(resolve(final, ".."));
  await rm(old, { recursive: true, force: true });
}

/** Ends a swap that was cut short: the checkpoint that stood aside comes back, or goes if its successor is in place. */
async function recover(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const final = /^\.(checkpoint-\d+)\.old$/.exec(name)?.[1];
    if (final === undefined) continue;
    const aside = join(folder, name);
    if ((await kindOf(join(folder, final))) === undefined) await rename(aside, join(folder, final));
    else await rm(aside, { recursive: true, force: true });
  }
}

async function readManifest(folder: string): Promise<readonly StoredRecord[]> {
  const path = join(folder, MANIFEST);
  try {
    const { records }: { records: readonly StoredRecord[] } = JSON.parse(await readFile(path, "utf8"));
    return records;
  } catch (cause) {
    throw new AppError(
      "checkpoint-invalid",
      `${folder} is no complete checkpoint: ${MANIFEST} cannot be read.`,
      {
        details: { checkpoint: folder },
        cause,
      },
    );
  }
}

function diskFull(cause: unknown, path: string): unknown {
  if (!isErrno(cause, "ENOSPC", "EDQUOT")) return cause;
  return new AppError(
    "storage-full",
    `No room on the disk for ${path}. Earlier checkpoints are untouched; free some space or choose another folder.`,
    { details: { path }, cause },
  );
}
