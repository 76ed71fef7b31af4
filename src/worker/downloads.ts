import type { RunConfig } from "../config/fields.ts";
import { type BrowserHost, storageSpace } from "../host/browser.ts";
import type { Asset, Folder } from "../host/host.ts";
import type { FileProgress } from "../host/hub_connection.ts";
import type { Repository } from "../host/hub_store.ts";
import { AppError, refuseIfCancelled } from "../lib/errors.ts";
import { formatBytes } from "../lib/format_bytes.ts";
import { hubId } from "../lib/hub.ts";
import type { DownloadProgress } from "../protocol/hub.ts";
import type { WorkerEvent } from "../protocol/messages.ts";
import { neededFiles, splitsOf } from "./download_plan.ts";

/** How often at most a download is told, and over how long its rate is counted, in milliseconds. */
const EVERY = 100;
const WINDOW = 5000;
/** Smaller files are told only as a part of what was expected, in bytes. */
const SMALL = 1024 * 1024;

interface Going {
  readonly id: string;
  readonly files: Map<string, { done: number; size: number }>;
  told: number;
  /** When how much was there, over the last seconds. */
  marks: { at: number; done: number }[];
}

/** Tells the page how much of each repository is here, while it is fetched. */
export class Downloads {
  readonly #emit: (event: WorkerEvent) => void;
  readonly #now: () => number;
  readonly #going = new Map<string, Going>();
  #listener: ((done: number, total: number) => void) | undefined;

  constructor(emit: (event: WorkerEvent) => void, now: () => number) {
    this.#emit = emit;
    this.#now = now;
  }

  readonly report = ({ repository, path, done, size }: FileProgress): void => {
    const { key, id } = repository;
    // A README or a configuration that is read on the way is no download to tell of.
    if (size < SMALL && !this.#going.get(key)?.files.has(path)) return;
    const going = this.#going.get(key) ?? { id, files: new Map(), told: Number.NEGATIVE_INFINITY, marks: [] };
    this.#going.set(key, going);
    going.files.set(path, { done, size });
    const { done: all, total } = sumOf(going);
    const now = this.#now();
    if (all < total && now - going.told < EVERY) return;
    going.told = now;
    going.marks = [...going.marks.filter(({ at }) => now - at < WINDOW), { at: now, done: all }];
    const rate = rateOf(going.marks);
    const progress: DownloadProgress = { key, name: id, done: all, total, ...(rate > 0 && { rate }) };
    this.#emit({ type: "download", ...progress });
    this.#listener?.(all, total);
    // What comes later begins anew: its rate has nothing to do with this one.
    if (all === total) going.marks = [];
  };

  /** Files that are going to be fetched, so that the total is that of all of them from the beginning. */
  expect(key: string, id: string, files: readonly Asset[]): void {
    const known = files.map(
      ({ name, size, stored }) => [name, { done: stored?.bytes() ?? 0, size }] as const,
    );
    this.#going.set(key, { id, files: new Map(known), told: Number.NEGATIVE_INFINITY, marks: [] });
  }

  /** Who else is told meanwhile. */
  async watched<T>(listener: (done: number, total: number) => void, work: () => Promise<T>): Promise<T> {
    this.#listener = listener;
    try {
      return await work();
    } finally {
      if (this.#listener === listener) this.#listener = undefined;
    }
  }
}

function sumOf({ files }: Going): { done: number; total: number } {
  let done = 0;
  let total = 0;
  for (const file of files.values()) {
    done += file.done;
    total += file.size;
  }
  return { done, total };
}

function rateOf(marks: Going["marks"]): number {
  const [first, last] = [marks.at(0), marks.at(-1)];
  return first && last && last.at > first.at ? (1000 * (last.done - first.done)) / (last.at - first.at) : 0;
}

type Source = Pick<BrowserHost, "openModel" | "openDataset" | "openAdapter" | "hub" | "store">;

export interface FetchOptions {
  /** Read what there is no room for from the hub, and keep it nowhere; else `storage-full` is thrown before anything is fetched. */
  readonly unkept?: boolean | undefined;
  /** Ends the download; what arrived stays. */
  readonly signal?: AbortSignal | undefined;
}

/** What a browser is left for checkpoints and results beside what is downloaded, in bytes. */
const HEADROOM = 64 * 1024 * 1024;

/** Files of one repository that are going to be read. */
interface Wanted {
  readonly name: string;
  readonly repository?: Repository;
  readonly files: readonly Asset[];
}

/**
 * Brings all that a run reads of hubs to this device, before the run takes the GPU. The notes that it returns say what is
 * not kept: what the storage got too full for meanwhile, or, with `unkept`, never had room for. Throws `storage-full`,
 * `network`, `access-denied`, `file-invalid`, `cancelled`.
 */
export async function fetchForRun(
  host: Source,
  downloads: Downloads,
  config: RunConfig,
  options: FetchOptions = {},
): Promise<readonly string[]> {
  const { model_name: model, model_revision: revision, adapter_name_or_path: adapter } = config;
  const wanted = [await ofModel(host, model, revision, await host.openModel(model, revision))];
  if (adapter !== null)
    wanted.push(await ofModel(host, adapter, null, await host.openAdapter(adapter), true));
  if ("reward_model_name" in config && config.reward_model_name !== null) {
    const name = config.reward_model_name;
    wanted.push(await ofModel(host, name, null, await host.openModel(name)));
  }
  return fetchAll(downloads, [...wanted.flat(), ...(await splitsOf(host, config))], options);
}

/** The same for a model that is used without a run. */
export async function fetchForChat(
  host: Source,
  downloads: Downloads,
  name: string,
  revision: string | null,
): Promise<readonly string[]> {
  // Nothing is trained, so there is nothing to decide: what does not fit is read and not kept.
  const options = { unkept: true };
  return fetchAll(
    downloads,
    await ofModel(host, name, revision, await host.openModel(name, revision)),
    options,
  );
}

/** None for a folder of the app or of this device. */
async function ofModel(
  host: Source,
  name: string,
  revision: string | null,
  folder: Folder,
  isAdapter = false,
): Promise<readonly Wanted[]> {
  if (folder.sizes === undefined || hubId(name) === undefined) return [];
  const repository = await host.hub().lookUp("models", name, revision);
  const needed = await neededFiles(folder, isAdapter);
  await host.store?.want(repository, needed);
  const files = (await Promise.all(needed.map((file) => folder.open(file)))).flatMap((file) => file ?? []);
  return [{ name, repository, files }];
}

const missingOf = (files: readonly Asset[]): number =>
  files.reduce((sum, { size, stored }) => sum + (stored ? size - stored.bytes() : 0), 0);

async function fetchAll(
  downloads: Downloads,
  wanted: readonly Wanted[],
  { unkept = false, signal }: FetchOptions,
): Promise<readonly string[]> {
  refuseIfCancelled(signal);
  const lacking = wanted.filter(({ files }) => missingOf(files) > 0);
  const missing = missingOf(lacking.flatMap(({ files }) => files));
  const space = missing > 0 ? await storageSpace() : undefined;
  const names = lacking.map(({ name }) => name).join(" and ");
  if (space && space.free < missing + HEADROOM) {
    if (!unkept) throw noRoom(names, missing, space.free);
    for (const { stored } of lacking.flatMap(({ files }) => files)) stored?.leave();
    const room = `${formatBytes(missing)} are missing, and the browser has ${formatBytes(space.free)} free`;
    return [`${names} is not kept on this device: ${room}. It is read from the hub, this time and the next.`];
  }
  const notes: string[] = [];
  for (const { name, repository, files } of wanted) {
    if (repository) downloads.expect(repository.key, repository.id, files);
    const note = await fetchFiles(name, files, signal);
    if (note !== undefined) notes.push(note);
  }
  return notes;
}

const noRoom = (names: string, missing: number, free: number): AppError =>
  new AppError(
    "storage-full",
    `There is no room to keep ${names}: ${formatBytes(missing)} are still to be downloaded, and the browser has ${formatBytes(free)} free, of which ${formatBytes(HEADROOM)} are left for checkpoints. Nothing was downloaded. Delete models, datasets or runs, or go on without keeping it: it is then read from the hub each time.`,
    { details: { what: names, missing, free, headroom: HEADROOM, canGoOn: true } },
  );

/** The note that it did not fit, where it did not: an estimate is no promise. */
async function fetchFiles(
  name: string,
  files: readonly Asset[],
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    for (const { stored } of files) {
      refuseIfCancelled(signal);
      await stored?.fetch(signal);
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof AppError && error.code === "storage-full")) throw error;
    for (const { stored } of files) stored?.leave();
    return `${name} is kept only in part: ${error.message} What is missing of it, ${formatBytes(missingOf(files))}, is read from the hub, this time and the next.`;
  }
}
