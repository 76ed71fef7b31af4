import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { AppError, invariant } from "../lib/errors.ts";
import { HUB_ENDPOINT, hubId } from "../lib/hub.ts";
import {
  describeRecord,
  MAX_RECORD_BYTES,
  type StoredRecord,
  verifyRecord,
} from "../storage/record_manifest.ts";
import { type DataFolder, openDataFolder } from "./folder_dataset.ts";
import type { Asset, CheckpointRecord, CheckpointStore, DatasetPart, Folder, Host } from "./host.ts";
import { createHub, type Hub, type HubOptions } from "./hub.ts";
import { checkRange } from "./memory.ts";
import { createNodeUserCode } from "./node_user_code.ts";
import { assetText } from "./text.ts";

export interface NodeHostOptions {
  /** The app's public folder: models/NAME and datasets/NAME.jsonl in it are known by name. */
  readonly publicDir: string;
  /** The folder that gets a run's checkpoint-STEP folders. */
  readonly runDir: (run: string) => string;
  /** Where Python's tools keep what they downloaded; by default where HF_HUB_CACHE and HF_HOME say, or in the home folder. */
  readonly hubCache?: string;
  /** Where names are looked for that are nowhere here, such as `hubFromEnvironment()`; without it nothing is ever fetched. */
  readonly hub?: HubOptions | undefined;
  /** Standard error by default, so that standard output stays free for results. */
  readonly log?: Host["log"];
}

/** The host of the command line and of tests: models, datasets and adapters are paths, checkpoints are folders. */
export function createNodeHost(options: NodeHostOptions): Host {
  const models = join(options.publicDir, "models");
  const datasets = join(options.publicDir, "datasets");
  const cache = options.hubCache ?? defaultCache();
  const hub = options.hub && createHub(options.hub);
  return {
    openModel: async (name, revision) => {
      const places = [name, ...known(models, name)];
      const here = (await findFolder(places, name)) ?? (await downloaded(cache, name, revision, hub));
      if (here !== undefined) return here;
      if (hub && hubId(name)) return hub.openModel(name, revision);
      throw missing("model folder", name, [...places, ...(await cached(cache, name, revision)).places], hub);
    },
    openDataset: async (name, part = TRAIN) => {
      const places = [name, ...known(datasets, name, ".jsonl")];
      const here = await findFile(places);
      if (here !== undefined) return here;
      if ((await kindOf(name)) === "folder") return openDataFolder(await dataFolder(name), part);
      if (hub && hubId(name)) return hub.openDataset(name, part);
      throw missing("dataset file", name, places, hub);
    },
    openAdapter: async (name) => {
      const here = (await findFolder([name], name)) ?? (await downloaded(cache, name, undefined, hub));
      if (here !== undefined) return here;
      if (hub && hubId(name)) return hub.openModel(name);
      throw missing("adapter folder", name, [name, ...(await cached(cache, name)).places], hub);
    },
    readText: async (path) => {
      const file = await findFile([path]);
      if (file === undefined) throw missing("file", path, [path], undefined);
      return assetText(file);
    },
    pathBeside,
    userCode: createNodeUserCode(),
    checkpoints: nodeCheckpoints(options.runDir),
    now: () => performance.now(),
    log: options.log ?? ((level, message) => process.stderr.write(`${level}: ${message}\n`)),
  };
}

/** A path that exists beside the file, else as it is: a name, or a path from where we are. */
export async function pathBeside(file: string, path: string): Promise<string> {
  const beside = join(dirname(file), path);
  return !isAbsolute(path) && (await kindOf(beside)) !== undefined ? beside : path;
}

/** The place that a plain name has in the app; a path has none. */
function known(folder: string, name: string, extension = ""): string[] {
  return /^[\w-][\w.-]*$/.test(name) ? [join(folder, name + extension)] : [];
}

function defaultCache(): string {
  const { HF_HUB_CACHE: hub, HF_HOME: home } = process.env;
  return hub ?? join(home ?? join(homedir(), ".cache/huggingface"), "hub");
}

const TRAIN: DatasetPart = { subset: null, split: "train" };

/** The hub that the environment names, in the words of huggingface_hub. Undefined with HF_HUB_OFFLINE. */
export function hubFromEnvironment(environment = process.env): HubOptions | undefined {
  const { HF_ENDPOINT: endpoint, HF_TOKEN: token, HF_HUB_OFFLINE: offline = "" } = environment;
  if (/^(1|on|yes|true)$/i.test(offline.trim())) return undefined;
  const plain = token?.trim().replace(/^(["'])(.*)\1$/, "$2");
  return { endpoint: endpoint?.trim() || HUB_ENDPOINT, token: plain || undefined };
}

interface Snapshot {
  readonly commit: string;
  readonly places: readonly string[];
}

/** Where an `owner/name` or `owner/name@revision` lies in the cache of huggingface_hub, if it has that form. */
async function cached(cache: string, name: string, revision?: string | null): Promise<Snapshot> {
  const [, owner, repository, at] = /^([\w.-]+)\/([\w.-]+)(?:@([\w-][\w.-]*))?$/.exec(name) ?? [];
  if (owner === undefined || repository === undefined || owner.startsWith("."))
    return { commit: "", places: [] };
  const folder = join(cache, `models--${owner}--${repository}`);
  const wanted = at ?? revision ?? "main";
  const reference = join(folder, "refs", wanted);
  const commit = (await kindOf(reference)) === "file" ? (await readFile(reference, "utf8")).trim() : wanted;
  return { commit, places: [join(folder, "snapshots", commit)] };
}

/** A snapshot of the cache; one without weights is passed over where the hub can give them. */
async function downloaded(
  cache: string,
  name: string,
  revision: string | null | undefined,
  hub: Hub | undefined,
): Promise<Folder | undefined> {
  const { commit, places } = await cached(cache, name, revision);
  const folder = await findFolder(places, name);
  if (folder === undefined) return undefined;
  const hasWeights = (await folder.list()).some((file) => file.endsWith(".safetensors"));
  return hasWeights || hub === undefined ? { ...folder, revision: commit } : undefined;
}

async function findFolder(places: readonly string[], name: string): Promise<Folder | undefined> {
  for (const place of places) if ((await kindOf(place)) === "folder") return nodeFolder(place, name);
  return undefined;
}

/** Deeper than this, or with more files, a folder was not made to be a dataset. */
const MOST_FOLDERS = 3;
const MOST_FILES = 10_000;

async function dataFolder(path: string): Promise<DataFolder> {
  const paths: string[] = [];
  const walk = async (within: readonly string[]): Promise<void> => {
    const entries = (await readdir(join(path, ...within), { withFileTypes: true }))
      .filter(({ name }) => !name.startsWith("."))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const inner = [...within, entry.name];
      if (!entry.isDirectory()) paths.push(inner.join("/"));
      else if (inner.length <= MOST_FOLDERS && paths.length < MOST_FILES) await walk(inner);
    }
  };
  await walk([]);
  return { name: path, paths, open: (file) => nodeAsset(join(path, file)) };
}

async function findFile(places: readonly string[]): Promise<Asset | undefined> {
  for (const place of places) if ((await kindOf(place)) === "file") return nodeAsset(place);
  return undefined;
}

function missing(what: string, name: string, places: readonly string[], hub: Hub | undefined): AppError {
  const looked = places.map((place) => resolve(place));
  const offline =
    hub === undefined && hubId(name)?.id.includes("/")
      ? " The hub was not asked: there is none, or HF_HUB_OFFLINE is set."
      : "";
  return new AppError("file-missing", `No ${what} "${name}". Looked for ${looked.join(" and ")}.${offline}`, {
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

/** Names every record of a complete checkpoint; written last. */
const MANIFEST = "records.json";

/**
 * Checkpoints as folders RUN/checkpoint-STEP with a file for each record. A checkpoint is written to a folder of another
 * name, brought to disk, and then renamed: it is there as a whole or not at all.
 */
function nodeCheckpoints(runDir: (run: string) => string): CheckpointStore {
  const final = (run: string, step: number) => join(runDir(run), `checkpoint-${step}`);
  const aside = (run: string, step: number) => join(runDir(run), `.checkpoint-${step}.old`);
  /** A swap that was cut short leaves the old checkpoint standing aside; the next save ends it, readers only look. */
  const place = async (run: string, step: number) =>
    (await kindOf(final(run, step))) === undefined && (await kindOf(aside(run, step))) !== undefined
      ? aside(run, step)
      : final(run, step);
  return {
    save: async (run, step, records) => {
      await mkdir(runDir(run), { recursive: true });
      await cleanUp(runDir(run));
      const temporary = join(runDir(run), `.checkpoint-${step}.new`);
      try {
        await mkdir(temporary);
        await writeRecords(temporary, records);
        await swap(temporary, final(run, step), aside(run, step));
      } catch (cause) {
        await rm(temporary, { recursive: true, force: true });
        throw diskFull(cause, final(run, step));
      }
    },
    steps: async (run) => {
      if ((await kindOf(runDir(run))) !== "folder") return [];
      const steps = new Set<number>();
      for (const name of await readdir(runDir(run))) {
        const [, step, old] = /^(?:checkpoint-(\d+)|\.checkpoint-(\d+)\.old)$/.exec(name) ?? [];
        const number = step ?? old;
        if (number === undefined) continue;
        if ((await kindOf(join(runDir(run), name, MANIFEST))) === "file") steps.add(Number(number));
      }
      return [...steps].sort((a, b) => a - b);
    },
    load: async (run, step, record) => {
      const folder = await place(run, step);
      const stored = (await readManifest(folder)).find(({ name }) => name === record);
      if (stored === undefined) return undefined;
      const file = join(folder, record);
      const bytes = (await kindOf(file)) === "file" ? new Uint8Array(await readFile(file)) : undefined;
      return verifyRecord(folder, stored, bytes);
    },
    remove: async (run, step) => {
      // The manifest goes first: a removal cut short leaves something that is never listed.
      for (const folder of [aside(run, step), final(run, step)]) {
        await rm(join(folder, MANIFEST), { force: true });
        await rm(folder, { recursive: true, force: true });
      }
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

/**
 * Ends what a killed process began: half-written folders go; a checkpoint that stands aside comes back, or goes if its
 * successor is in place. Only the process that writes the run may do this.
 */
async function cleanUp(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, final = "", state] = /^\.(checkpoint-\d+)\.(new|old)$/.exec(name) ?? [];
    const returns = state === "old" && (await kindOf(join(folder, final))) === undefined;
    if (returns) await rename(join(folder, name), join(folder, final));
    else if (state) await rm(join(folder, name), { recursive: true, force: true });
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
  if (!isErrno(cause, "ENOSPC", "EDQUOT", "EFBIG")) return cause;
  return new AppError(
    "storage-full",
    `No room on the disk for ${path}. Earlier checkpoints are untouched; free some space or choose another folder.`,
    { details: { path }, cause },
  );
}
