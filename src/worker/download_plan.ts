import type { RunConfig } from "../config/fields.ts";
import { parseSplit } from "../data/split_slice.ts";
import { readJsonObject } from "../formats/json.ts";
import { requireFile, shardsOf } from "../formats/model_folder.ts";
import type { Asset, DatasetAsset, Folder, Host } from "../host/host.ts";
import { readModelSpec } from "../model/registry.ts";
import type { DownloadPart, DownloadPlan } from "../protocol/setup.ts";
import { ownSplit } from "../trainer/load_dataset.ts";
import { datasetsOf } from "../trainer/mix_datasets.ts";

type Opener = Pick<Host, "openModel" | "openDataset" | "openAdapter">;

/** Files beside the weights that are read of a model. */
const SMALL = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
];
const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const ADAPTER = ["adapter_config.json", "adapter_model.safetensors"];

/**
 * What a run would fetch from a hub, by the sizes in its listings; files of the app and of this device are not counted. The
 * model's config.json is read first: throws `model-unsupported` before anything large is asked for.
 */
export async function planDownload(host: Opener, config: RunConfig): Promise<DownloadPlan> {
  const { model_name: name, model_revision: revision, adapter_name_or_path: adapter } = config;
  const parts: DownloadPart[] = [];
  const model = await host.openModel(name, revision);
  if (model.sizes) {
    readModelSpec(await readJsonObject(await requireFile(model, "config.json")));
    parts.push({ what: "model", name, ...(await modelBytes(model)) });
  }
  if (adapter !== null) {
    const { sizes } = await host.openAdapter(adapter);
    if (sizes) parts.push({ what: "adapter", name: adapter, bytes: sumOf(sizes, ADAPTER) });
  }
  if ("reward_model_name" in config && config.reward_model_name !== null) {
    const folder = await host.openModel(config.reward_model_name);
    if (folder.sizes)
      parts.push({
        what: "reward model",
        name: config.reward_model_name,
        ...(await modelBytes(folder)),
      });
  }
  for (const { name, split, files } of await splitsOf(host, config)) {
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    parts.push({
      what: "data",
      name: `${name}, ${split}`,
      bytes,
      ...storedPart(files.map((file) => file.stored?.bytes() ?? 0)),
    });
  }
  return { parts, total: parts.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** The files that training needs of a model or adapter: of a model in shards, its index is read for their names. */
export async function neededFiles(folder: Folder, isAdapter = false): Promise<readonly string[]> {
  const names = await folder.list();
  const has = (name: string) => names.includes(name);
  // An adapter's repository may have the configuration of its base beside it.
  if (isAdapter || !has("config.json")) return ADAPTER.filter(has);
  const weights = has(SINGLE) ? [SINGLE] : [INDEX, ...(await shardsOf(folder))];
  return [...SMALL, ...weights].filter(has);
}

async function modelBytes(folder: Folder): Promise<Pick<DownloadPart, "bytes" | "stored">> {
  const needed = await neededFiles(folder);
  const bytes = sumOf(folder.sizes ?? new Map<string, number>(), needed);
  const here = await Promise.all(needed.map(async (file) => (await folder.stored?.(file)) ?? 0));
  return { bytes, ...storedPart(here) };
}

function storedPart(bytes: readonly number[]): Pick<DownloadPart, "stored"> {
  const stored = bytes.reduce((sum, count) => sum + count, 0);
  return stored > 0 ? { stored } : {};
}

const sumOf = (sizes: ReadonlyMap<string, number>, files: readonly string[]): number =>
  files.reduce((sum, file) => sum + (sizes.get(file) ?? 0), 0);

interface OpenedSplit {
  readonly name: string;
  readonly split: string;
  readonly files: readonly Asset[];
}

type DataOpener = Pick<Opener, "openDataset">;

/**
 * The splits that are read of each dataset: those of training, and those that rows are held out in. Files of this device have
 * none.
 */
export async function splitsOf(host: DataOpener, config: RunConfig): Promise<readonly OpenedSplit[]> {
  if (config.dataset_name === null) return [];
  const found: OpenedSplit[] = [];
  for (const { config: one } of datasetsOf(config)) found.push(...(await splitsOfOne(host, one)));
  return found;
}

async function splitsOfOne(host: DataOpener, config: RunConfig): Promise<readonly OpenedSplit[]> {
  const { config_name: subset, split, eval_dataset_name: evalName } = config;
  const name = config.dataset_name ?? "";
  const opened: { readonly name: string; readonly dataset: DatasetAsset }[] = [];
  let trained: DatasetAsset["part"];
  for (const term of new Set(parseSplit(split).map((one) => one.split))) {
    const dataset = await host.openDataset(name, { subset, split: term });
    opened.push({ name, dataset });
    // A file is one split under any name.
    if (!dataset.part) break;
    trained = { ...dataset.part, split: trained ? `${trained.split}+${term}` : term };
  }
  if (evalName !== null) {
    const other = await host.openDataset(evalName, { subset, split: ["validation", "test", "train"] });
    opened.push({ name: evalName, dataset: other });
  } else if (config.val_split_ratio > 0) {
    const own = ownSplit(trained, "validation");
    if (own !== undefined)
      opened.push({ name, dataset: await host.openDataset(name, { subset, split: own }) });
  }
  return opened.flatMap(({ name: of, dataset }) =>
    dataset.part && !dataset.local
      ? [{ name: of, split: dataset.part.split, files: [dataset, ...(dataset.more ?? [])] }]
      : [],
  );
}
