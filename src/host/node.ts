import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { AppError } from "../lib/errors.ts";
import { HUB_ENDPOINT, hubId, isRevision } from "../lib/hub.ts";
import { type DataFolder, openDataFolder } from "./folder_dataset.ts";
import type { Asset, DatasetPart, Folder, Host } from "./host.ts";
import { createHub, type Hub } from "./hub.ts";
import type { HubOptions } from "./hub_connection.ts";
import type { HubStore } from "./hub_store.ts";
import { nodeCheckpoints } from "./node_checkpoints.ts";
import { kindOf, nodeAsset, nodeFolder } from "./node_files.ts";
import { commitOf, nodeHubStore } from "./node_hub_cache.ts";
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
  const log = options.log ?? ((level, message) => process.stderr.write(`${level}: ${message}\n`));
  const store = nodeHubStore(cache, options.hub === undefined);
  const onNote = (text: string) => log("warn", text);
  const hub = options.hub && createHub({ onNote, ...options.hub }, store);
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
      const source = hub ?? (await keptDatasets(store, name));
      if (source && hubId(name)) return source.openDataset(name, part);
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
    log,
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
  if (hubId(name) === undefined || !isRevision(wanted)) return { commit: "", places: [] };
  const commit = await commitOf(folder, wanted);
  return { commit, places: [join(folder, "snapshots", commit)] };
}

/** What the cache has, where nothing may be asked of a hub; undefined when that is nothing of this dataset. */
async function keptDatasets(store: HubStore, name: string): Promise<Hub | undefined> {
  const id = hubId(name);
  if (id === undefined) return undefined;
  const asked = {
    endpoint: HUB_ENDPOINT,
    kind: "datasets",
    id: id.id,
    revision: id.revision ?? null,
  } as const;
  const known = await store.find(asked);
  return known && createHub({ endpoint: HUB_ENDPOINT, isOffline: true }, store);
}

/** A snapshot of the cache; one without all of its weights is passed over where the hub can give them. */
async function downloaded(
  cache: string,
  name: string,
  revision: string | null | undefined,
  hub: Hub | undefined,
): Promise<Folder | undefined> {
  const { commit, places } = await cached(cache, name, revision);
  const folder = await findFolder(places, name);
  if (folder === undefined) return undefined;
  return hub === undefined || (await hasWeights(folder)) ? { ...folder, revision: commit } : undefined;
}

async function hasWeights(folder: Folder): Promise<boolean> {
  const files = await folder.list();
  const index = await folder.open("model.safetensors.index.json");
  if (index === undefined || files.includes("model.safetensors"))
    return files.some((file) => file.endsWith(".safetensors"));
  const { weight_map: shards = {} } = JSON.parse(await assetText(index)) as {
    weight_map?: Readonly<Record<string, string>>;
  };
  return Object.values(shards).every((shard) => files.includes(shard));
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
