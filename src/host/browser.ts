import { AppError } from "../lib/errors.ts";
import { hubId } from "../lib/hub.ts";
import type { Database } from "../storage/database.ts";
import { indexedCheckpoints } from "../storage/indexed_checkpoints.ts";
import { memoryCheckpoints } from "../storage/memory_checkpoints.ts";
import { createBrowserUserCode } from "./browser_user_code.ts";
import { type DataFolder, openDataFolder } from "./folder_dataset.ts";
import type { Asset, DatasetAsset, DatasetPart, Folder, Host } from "./host.ts";
import { createHub, type Hub } from "./hub.ts";
import type { FileProgress } from "./hub_connection.ts";
import type { HubLibrary } from "./hub_store.ts";
import { opfsHubStore } from "./opfs_store.ts";
import { rememberedHub } from "./remembered_hub.ts";
import { shareProcessing } from "./shared_user_code.ts";
import { assetText } from "./text.ts";
import { openUrl, urlFolder } from "./url_asset.ts";
import type { UrlOptions } from "./web_request.ts";

export interface BrowserHostOptions {
  /** Where the app is served, with a slash at the end: models/NAME and datasets/NAME.jsonl under it are known by name. */
  readonly base: URL;
  /** Undefined when the browser keeps nothing (some private windows): checkpoints then live as long as the tab. */
  readonly database: Database | undefined;
  readonly log: Host["log"];
  /** See BrowserUserCodeOptions. */
  readonly openSandboxPort: () => Promise<MessagePort>;
  readonly url?: UrlOptions;
  /** See HubOptions. */
  readonly onProgress?: (progress: FileProgress) => void;
}

/** What is kept in memory of a dataset's file once it was read: data is read again at each change of the settings. */
const KEPT_DATA = 512 * 1024 * 1024;

const TRAIN: DatasetPart = { subset: null, split: "train" };

/**
 * The host of the worker. What a person drops is given to it under a name, and wins over what the app ships; any other name
 * of the hub's form is looked for there, once a hub was set. Nothing else is ever asked of another origin.
 */
export interface BrowserHost extends Host {
  addModel(folder: Folder): void;
  addDataset(name: string, file: Asset): void;
  /** A folder of data files, each with a plain name. */
  addDataFolder(name: string, files: readonly Asset[]): void;
  addAdapter(folder: Folder): void;
  /** A file with functions, under the name that settings use for it. */
  addCode(name: string, file: Asset): void;
  /** Where names are looked for that are nowhere here; the token is that of this endpoint alone. */
  setHub(endpoint: string, token?: string | null): void;
  /** The hub that was set. Throws `config-invalid` when none was. */
  hub(): Hub;
  /** The same hub, asked with another token. */
  hubWith(token: string): Hub;
  /** Looks again at what is kept, after something was deleted. */
  forgetHub(): void;
  /** What is kept of hubs; undefined where the browser keeps nothing. */
  readonly store: HubLibrary | undefined;
}

export function createBrowserHost(options: BrowserHostOptions): BrowserHost {
  const { base, database, log, url, openSandboxPort } = options;
  const models = new Map<string, Folder>();
  const datasets = new Map<string, Asset>();
  const dataFolders = new Map<string, readonly Asset[]>();
  const dataFolder = (name: string, part: DatasetPart): Promise<DatasetAsset> | undefined => {
    const files = dataFolders.get(name);
    return files && openDataFolder(asFolder(name, files), part);
  };
  const adapters = new Map<string, Folder>();
  const code = new Map<string, Asset>();
  const store = database && opfsHubStore(database, () => Date.now());
  let hub: (Hub & { readonly endpoint: string; readonly token: string | null }) | undefined;
  const open = (endpoint: string, token: string | null): Hub => {
    const { retryDelays } = url ?? {};
    const { onProgress } = options;
    return createHub(
      {
        ...{ endpoint, inPage: true, keepUpTo: KEPT_DATA, token: token ?? undefined },
        ...(retryDelays && { retryDelays }),
        ...(onProgress && { onProgress }),
        onNote: (text) => log("warn", text),
      },
      store,
    );
  };
  const requireHub = () => {
    if (hub) return hub;
    throw new AppError("config-invalid", "No hub is set, so there is nothing to look the name up in.");
  };
  const hubFor = (name: string): Hub | undefined => (hubId(name) ? hub : undefined);
  return {
    openModel: async (name, revision) =>
      models.get(name) ??
      (await shippedModel(base, name, url)) ??
      (await hubFor(name)?.openModel(name, revision)) ??
      missing("model", name, models),
    openDataset: async (name, part = TRAIN) =>
      datasets.get(name) ??
      (await dataFolder(name, part)) ??
      (await shippedDataset(base, name, url)) ??
      (await hubFor(name)?.openDataset(name, part)) ??
      missing("dataset", name, datasets),
    openAdapter: async (name) =>
      adapters.get(name) ?? (await hubFor(name)?.openModel(name)) ?? missing("adapter", name, adapters),
    readText: async (path) => assetText(code.get(plainName(path)) ?? missing("file", path, code)),
    pathBeside: (_, path) => Promise.resolve(path),
    userCode: shareProcessing(createBrowserUserCode({ openPort: openSandboxPort, base })),
    addModel: (folder) => void models.set(folder.name, folder),
    addDataset: (name, file) => void datasets.set(name, file),
    addDataFolder: (name, files) => void dataFolders.set(name, files),
    addAdapter: (folder) => void adapters.set(folder.name, folder),
    addCode: (name, file) => void code.set(plainName(name), file),
    setHub: (endpoint, token = null) => {
      if (endpoint === hub?.endpoint && token === hub.token) return;
      hub = { ...rememberedHub(open(endpoint, token)), endpoint, token };
    },
    forgetHub: () => {
      if (hub)
        hub = { ...rememberedHub(open(hub.endpoint, hub.token)), endpoint: hub.endpoint, token: hub.token };
    },
    hub: requireHub,
    hubWith: (token) => open(requireHub().endpoint, token),
    store,
    checkpoints: database ? indexedCheckpoints(database, () => Date.now()) : memoryCheckpoints(),
    now: () => performance.now(),
    log,
  };
}

function asFolder(name: string, files: readonly Asset[]): DataFolder {
  const named = new Map(files.map((file) => [file.name, file]));
  return {
    name,
    paths: [...named.keys()],
    open: async (path) => named.get(path) ?? missing("file", path, named),
  };
}

/** A dropped file has no folder; a path of a configuration means the file of that name. */
const plainName = (path: string): string => path.split(/[\\/]/).at(-1) ?? path;

/** Only a plain name can be part of the app; anything else would be a way out of its folder. */
function isPlain(name: string): boolean {
  return /^[\w-][\w.-]*$/.test(name);
}

async function shippedModel(
  base: URL,
  name: string,
  url: UrlOptions | undefined,
): Promise<Folder | undefined> {
  if (!isPlain(name)) return undefined;
  const folder = urlFolder(new URL(`models/${name}/`, base), name, url);
  return (await folder.open("config.json")) && folder;
}

async function shippedDataset(
  base: URL,
  name: string,
  url: UrlOptions | undefined,
): Promise<Asset | undefined> {
  return isPlain(name) ? openUrl(new URL(`datasets/${name}.jsonl`, base), url) : undefined;
}

function missing(what: string, name: string, added: ReadonlyMap<string, unknown>): never {
  const here = [...added.keys()].join(", ");
  throw new AppError(
    "file-missing",
    `No ${what} "${name}" is part of the app or was opened in this tab${here ? ` (opened: ${here})` : ""}. Drop its files on the page.`,
    { details: { what, name } },
  );
}

/** What the browser says of its storage, in bytes. Undefined where it says nothing. */
export async function storageSpace(): Promise<{ used: number; free: number } | undefined> {
  const { usage, quota } = (await globalThis.navigator?.storage?.estimate?.()) ?? {};
  return usage === undefined || quota === undefined
    ? undefined
    : { used: usage, free: Math.max(0, quota - usage) };
}

/** Asks the browser not to evict what is stored. False when it declines or cannot. */
export async function keepStorage(): Promise<boolean> {
  return (await navigator.storage?.persist?.()) ?? false;
}
