import type { RunConfig } from "../config/fields.ts";
import { editDistance } from "../config/suggest.ts";
import { readJsonObject } from "../formats/json.ts";
import { requireFile } from "../formats/model_folder.ts";
import { type BrowserHost, keepStorage, storageSpace } from "../host/browser.ts";
import type { Folder } from "../host/host.ts";
import type { Repository, RepositoryRecord, StoredFile } from "../host/hub_store.ts";
import { AppError } from "../lib/errors.ts";
import { type HubReference, hubAddress, hubId, hubReference } from "../lib/hub.ts";
import { sizeOf } from "../lib/spans.ts";
import { architectures, readModelSpec } from "../model/registry.ts";
import type { HubDatasetInfo, HubModelInfo, Library, StoredRepository } from "../protocol/hub.ts";
import type { Handlers } from "../protocol/rpc.ts";
import { datasetsOf } from "../trainer/mix_datasets.ts";
import type { WorkerContext } from "./context.ts";
import { neededFiles } from "./download_plan.ts";
import type { Runs } from "./runs.ts";

type HubMethod =
  | "setHub"
  | "hubModel"
  | "hubDataset"
  | "checkToken"
  | "library"
  | "removeStored"
  | "keepStorage";

/** What the page asks about hubs, and about what is kept of them. */
export function hubHandlers({ host }: WorkerContext, runs: Runs): Pick<Handlers, HubMethod> {
  return {
    setHub: async ({ endpoint, token = null }) => {
      const address = hubAddress(endpoint);
      if (address === undefined)
        throw new AppError(
          "config-invalid",
          `${endpoint} is not the address of a hub that this page may ask.`,
        );
      host.setHub(address, token);
      return {};
    },
    hubModel: ({ name, revision, fresh }) => hubModel(host, name, revision, fresh),
    hubDataset: ({ name, revision, fresh }) => hubDataset(host, name, revision, fresh),
    checkToken: async ({ token }) => ({ user: await host.hubWith(token).whoAmI() }),
    library: () => library(host),
    removeStored: async ({ key }) => {
      const entry = (await host.store?.list())?.find(({ record }) => record.key === key);
      const { current } = runs;
      if (entry && current && namesOf(current.config).includes(entry.record.id))
        throw new AppError(
          "config-invalid",
          `${entry.record.id} is used by ${current.name}. Stop that run first.`,
        );
      await host.store?.remove(key);
      host.forgetHub();
      return {};
    },
    keepStorage: async () => ({ persistent: await keepStorage() }),
  };
}

/** The ids of all that a run reads of hubs. */
function namesOf(config: RunConfig): readonly (string | undefined)[] {
  const { model_name, adapter_name_or_path } = config;
  const reward = "reward_model_name" in config ? config.reward_model_name : null;
  const data = datasetsOf(config).flatMap(({ config: one }) => [one.dataset_name, one.eval_dataset_name]);
  const names = [model_name, adapter_name_or_path, reward, ...data];
  return names.map((name) => (name === null ? undefined : hubId(name)?.id));
}

function referenceOf(name: string, kind: HubReference["kind"]): HubReference {
  const reference = hubReference(name);
  if (reference && (reference.kind === kind || reference.host === null)) return reference;
  throw new AppError(
    "config-invalid",
    reference
      ? `${name} is the address of a ${reference.kind}; a ${kind} is asked for here.`
      : `"${name}" is no name of the hub: those have the form owner/name.`,
    { details: { name } },
  );
}

/** What a model is, and how much of it is here. Only its listing and config.json are read. */
export async function hubModel(
  host: Pick<BrowserHost, "hub" | "store">,
  name: string,
  wanted: string | null,
  fresh = false,
): Promise<HubModelInfo> {
  const hub = host.hub();
  const { id, revision } = referenceOf(name, "model");
  const repository = await hub.lookUp("models", id, wanted ?? revision, fresh);
  const folder = await hub.openModel(id, wanted ?? revision);
  const { modelType, supported } = await support(folder);
  const needed = await neededFiles(folder);
  await host.store?.want(repository, needed);
  const files = await storedOf(host, repository);
  return {
    ...aboutOf(repository, name, hub.host),
    ...{ modelType, supported },
    bytes: needed.reduce((sum, file) => sum + (folder.sizes?.get(file) ?? 0), 0),
    parameters: repository.parameters,
    storedBytes: files
      .filter(({ path }) => needed.includes(path))
      .reduce((sum, file) => sum + bytesOf(file), 0),
    complete: isComplete(needed, files),
  };
}

export async function hubDataset(
  host: Pick<BrowserHost, "hub">,
  name: string,
  wanted: string | null,
  fresh = false,
): Promise<HubDatasetInfo> {
  const hub = host.hub();
  const { id, revision } = referenceOf(name, "dataset");
  const { repository, source, layout } = await hub.layoutOf(id, wanted ?? revision, fresh);
  const sizes = new Map(source.files.map(({ path, size }) => [path, size]));
  const total = (paths: readonly string[]): number | null =>
    paths.reduce<number | null>((sum, path) => {
      const size = sizes.get(path) ?? null;
      return sum === null || size === null ? null : sum + size;
    }, 0);
  return {
    ...aboutOf(repository, name, hub.host),
    subsets: [...layout.layout].map(([subset, splits]) => ({
      name: subset,
      splits: [...splits].map(([split, files]) => ({ name: split, bytes: total(files), files })),
    })),
    defaultSubset: layout.fallback ?? null,
  };
}

function aboutOf(repository: Repository, name: string, host: string) {
  const { key, id, commit, licence, gated, private: isPrivate } = repository;
  return { ...{ key, name, id, commit, host, licence, gated }, private: isPrivate };
}

/** Whether the engine can train it, by config.json alone. */
async function support(folder: Folder): Promise<Pick<HubModelInfo, "modelType" | "supported">> {
  const names = await folder.list();
  if (!names.includes("config.json")) {
    const isAdapter = names.includes("adapter_config.json");
    const reason = isAdapter
      ? "It is an adapter. Name its base model here, and the adapter as what to start from."
      : "It has no config.json, so it is not in the layout of the transformers library.";
    return { modelType: null, supported: { reason, nearest: [] } };
  }
  const config = await readJsonObject(await requireFile(folder, "config.json"));
  const modelType = typeof config["model_type"] === "string" ? config["model_type"] : null;
  try {
    readModelSpec(config);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { modelType, supported: { reason: error.message, nearest: nearestTypes(modelType ?? "") } };
  }
  if (names.some((name) => name.endsWith(".safetensors"))) return { modelType, supported: null };
  const reason = "It has no weights in safetensors, the one form that is read.";
  return { modelType, supported: { reason, nearest: [] } };
}

/** The supported types, those of the same family first: what stands before the first digit or underscore names it. */
function nearestTypes(modelType: string): readonly string[] {
  const family = (type: string) => /^[a-z]*/i.exec(type)?.[0] ?? "";
  const distance = (type: string) =>
    editDistance(modelType, type) + (family(type) === family(modelType) ? 0 : 100);
  return Object.keys(architectures).sort((a, b) => distance(a) - distance(b));
}

const bytesOf = ({ present }: StoredFile): number => sizeOf(present);

const isComplete = (wanted: readonly string[], files: readonly StoredFile[]): boolean =>
  wanted.length > 0 && wanted.every((path) => files.some((file) => file.path === path && file.verified));

async function storedOf(
  { store }: Pick<BrowserHost, "store">,
  { key }: Repository,
): Promise<readonly StoredFile[]> {
  return (await store?.list())?.find(({ record }) => record.key === key)?.files ?? [];
}

/** What is kept of hubs on this device. */
export async function library({ store }: Pick<BrowserHost, "store">): Promise<Library> {
  const space = await storageSpace();
  const entries = ((await store?.list()) ?? []).map(({ record, files }) => entryOf(record, files));
  return {
    entries: entries.filter(({ bytes }) => bytes > 0).sort((a, b) => b.lastUsed - a.lastUsed),
    used: space?.used ?? 0,
    quota: space ? space.used + space.free : 0,
    persistent: (await navigator.storage?.persisted?.()) ?? false,
  };
}

function entryOf(record: RepositoryRecord, files: readonly StoredFile[]): StoredRepository {
  const { key, kind, id, commit, endpoint, asked, wanted, lastUsed } = record;
  const sizes = new Map(record.files.map(({ path, size }) => [path, size ?? 0]));
  for (const { path, size } of files) sizes.set(path, size);
  const needed = [...new Set([...wanted, ...files.map(({ path }) => path)])];
  const revisions = asked.map((name) => name.split(" ").at(-1) ?? "").filter((name) => name !== commit);
  return {
    ...{ key, kind: kind === "models" ? "model" : "dataset", id, commit, lastUsed },
    revision: revisions[0] ?? null,
    host: new URL(endpoint).host,
    bytes: files.reduce((sum, file) => sum + bytesOf(file), 0),
    totalBytes: needed.reduce((sum, path) => sum + (sizes.get(path) ?? 0), 0),
    complete: isComplete(needed, files),
    files: files.map((file) => ({ name: file.path, bytes: bytesOf(file), size: file.size })),
  };
}
