import type { RunConfig } from "../config/fields.ts";
import { parseSplit } from "../data/split_slice.ts";
import { readJsonObject } from "../formats/json.ts";
import { requireFile, shardsOf } from "../formats/model_folder.ts";
import type { DatasetAsset, Folder, Host } from "../host/host.ts";
import { readModelSpec } from "../model/registry.ts";
import type { DownloadPart, DownloadPlan } from "../protocol/setup.ts";
import { datasetsOf } from "../trainer/mix_datasets.ts";
import { ownSplit } from "../trainer/prepare_data.ts";

type Opener = Pick<Host, "openModel" | "openDataset" | "openAdapter">;

/** Files beside the weights that are read of a model. */
const SMALL = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
];
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
    parts.push({ what: "model", name, bytes: await modelBytes(model) });
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
        bytes: await modelBytes(folder),
      });
  }
  parts.push(...(await dataParts(host, config)));
  return { parts, total: parts.reduce((sum, { bytes }) => sum + bytes, 0) };
}

async function modelBytes(folder: Folder): Promise<number> {
  const { sizes = new Map<string, number>() } = folder;
  const single = "model.safetensors";
  const weights = sizes.has(single) ? [single] : await shardsOf(folder);
  return sumOf(sizes, [...SMALL, ...weights]);
}

const sumOf = (sizes: ReadonlyMap<string, number>, files: readonly string[]): number =>
  files.reduce((sum, file) => sum + (sizes.get(file) ?? 0), 0);

/** The splits that are read of each dataset: those of training, and those that rows are held out in. */
async function dataParts(host: Opener, config: RunConfig): Promise<readonly DownloadPart[]> {
  if (config.dataset_name === null) return [];
  const parts: DownloadPart[] = [];
  for (const { config: one } of datasetsOf(config)) parts.push(...(await partsOfOne(host, one)));
  return parts;
}

async function partsOfOne(host: Opener, config: RunConfig): Promise<readonly DownloadPart[]> {
  const { config_name: subset, split, eval_dataset_name: evalName } = config;
  const name = config.dataset_name ?? "";
  const parts: (DownloadPart | undefined)[] = [];
  let trained: DatasetAsset["part"];
  for (const term of new Set(parseSplit(split).map((one) => one.split))) {
    const asset = await host.openDataset(name, { subset, split: term });
    parts.push(partOf(name, asset));
    // A file is one split under any name.
    if (!asset.part) break;
    trained = { ...asset.part, split: trained ? `${trained.split}+${term}` : term };
  }
  if (evalName !== null) {
    const other = await host.openDataset(evalName, { subset, split: ["validation", "test", "train"] });
    parts.push(partOf(evalName, other));
  } else if (config.val_split_ratio > 0) {
    const own = ownSplit(trained, "validation");
    if (own !== undefined) parts.push(partOf(name, await host.openDataset(name, { subset, split: own })));
  }
  return parts.flatMap((part) => part ?? []);
}

function partOf(name: string, { part, local, size, more = [] }: DatasetAsset): DownloadPart | undefined {
  if (!part || local) return undefined;
  const bytes = more.reduce((sum, file) => sum + file.size, size);
  return { what: "data", name: `${name}, ${part.split}`, bytes };
}
