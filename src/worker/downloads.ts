import type { RunConfig } from "../config/fields.ts";
import { type BrowserHost, storageSpace } from "../host/browser.ts";
import type { Asset, Folder } from "../host/host.ts";
import type { FileProgress } from "../host/hub_connection.ts";
import { AppError } from "../lib/errors.ts";
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
      this.#listener = undefined;
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

/**
 * Brings all that a run reads of hubs to this device, before the run takes the GPU. Where there is no room it is read from
 * the hub and kept nowhere; that is what the notes returned say. Throws `network`, `access-denied`, `file-invalid`.
 */
export async function fetchForRun(
  host: Source,
  downloads: Downloads,
  config: RunConfig,
): Promise<readonly string[]> {
  const { model_name: model, model_revision: revision, adapter_name_or_path: adapter } = config;
  const notes: string[] = [];
  const note = (text: string | undefined) => text !== undefined && notes.push(text);
  note(await fetchModel(host, downloads, model, revision, await host.openModel(model, revision)));
  if (adapter !== null)
    note(await fetchModel(host, downloads, adapter, null, await host.openAdapter(adapter)));
  if ("reward_model_name" in config && config.reward_model_name !== null) {
    const name = config.reward_model_name;
    note(await fetchModel(host, downloads, name, null, await host.openModel(name)));
  }
  for (const { name, files } of await splitsOf(host, config)) note(await fetchFiles(name, files));
  return notes;
}

async function fetchModel(
  host: Source,
  downloads: Downloads,
  name: string,
  revision: string | null,
  folder: Folder,
): Promise<string | undefined> {
  if (folder.sizes === undefined || hubId(name) === undefined) return undefined;
  const repository = await host.hub().lookUp("models", name, revision);
  const needed = await neededFiles(folder);
  await host.store?.want(repository, needed);
  const files = (await Promise.all(needed.map((file) => folder.open(file)))).flatMap((file) => file ?? []);
  downloads.expect(repository.key, repository.id, files);
  return fetchFiles(name, files);
}

/** The note that it did not fit, where it did not. */
async function fetchFiles(name: string, files: readonly Asset[]): Promise<string | undefined> {
  const missing = files.reduce((sum, { size, stored }) => sum + (stored ? size - stored.bytes() : 0), 0);
  const space = await storageSpace();
  try {
    if (missing > 0 && space && space.free < missing)
      throw new AppError("storage-full", "The browser has no room for it.", { details: { what: name } });
    for (const { stored } of files) await stored?.fetch();
    return undefined;
  } catch (error) {
    if (!(error instanceof AppError && error.code === "storage-full")) throw error;
    for (const { stored } of files) stored?.leave();
    const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
    const free = space ? ` ${megabytes(missing)} are needed and ${megabytes(space.free)} are free.` : "";
    return `${name} is not kept on this device: ${error.message}${free} It is read from the hub, this time and the next; delete stored models, data or runs to keep it.`;
  }
}
