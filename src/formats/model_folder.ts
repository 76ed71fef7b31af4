import type { Asset, Folder } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { isRecord, readJsonObject } from "./json.ts";
import { readSafetensors, type SafetensorsFile, type TensorSource } from "./safetensors.ts";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** A model in the Hugging Face layout: its configuration as it stands and its tensors by name, wherever they lie. */
export interface ModelFolder {
  /** What the person called it. */
  readonly name: string;
  /** config.json, an object of unknown content; the architecture that reads it checks it. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, TensorSource>;
  /** The folder itself, for tokenizer files and the chat template. */
  readonly folder: Folder;
}

/**
 * Opens a model folder: one model.safetensors, or the shards that model.safetensors.index.json lists. Only headers are
 * read. Throws `file-missing` for config.json, weights or a shard, `file-invalid` for a damaged file, an index that
 * names a tensor its shard lacks, or the same tensor in two shards.
 */
export async function openModelFolder(folder: Folder): Promise<ModelFolder> {
  const settings = await folder.open("config.json");
  if (!settings && (await folder.open("adapter_config.json"))) throw await noWeights(folder);
  const config = await readJsonObject(settings ?? (await requireFile(folder, "config.json")));
  const single = await folder.open(SINGLE);
  const index = single ? undefined : await folder.open(INDEX);
  if (single) return named(folder, config, (await readSafetensors(single)).tensors);
  if (index) return named(folder, config, await readShards(folder, index));
  throw await noWeights(folder);
}

/**
 * GPT-2's own file has no `transformer.` before its names, and what transformers saves of a GPT-2 has one: here it never
 * does.
 */
function named(
  folder: Folder,
  config: ModelFolder["config"],
  tensors: ReadonlyMap<string, TensorSource>,
): ModelFolder {
  const prefix = config["model_type"] === "gpt2" ? /^transformer\./ : /^$/;
  const renamed = [...tensors].map(([name, tensor]) => [name.replace(prefix, ""), tensor] as const);
  return { name: folder.name, config, tensors: new Map(renamed), folder };
}

/** The tensor of that name. Throws `model-invalid`, naming the closest that is there. */
export function requireTensor(model: ModelFolder, name: string): TensorSource {
  const tensor = model.tensors.get(name);
  if (tensor) return tensor;
  const last = name.split(".").slice(-2).join(".");
  const near = [...model.tensors.keys()].find((other) => other.endsWith(last));
  throw new AppError(
    "model-invalid",
    `${model.name} has no tensor ${name}${near ? `; the nearest is ${near}` : ""}. It has ${model.tensors.size} tensors.`,
    { details: { model: model.name, tensor: name } },
  );
}

/** Throws `file-missing` naming the file and the folder. */
export async function requireFile(folder: Folder, file: string): Promise<Asset> {
  const asset = await folder.open(file);
  if (asset) return asset;
  throw new AppError("file-missing", `${folder.name} has no ${file}.`, {
    details: { folder: folder.name, file, found: await folder.list() },
  });
}

async function noWeights(folder: Folder): Promise<AppError> {
  const found = await folder.list();
  const other = found.find((file) => /\.(bin|pt|pth|gguf|h5|msgpack|onnx)$/.test(file));
  const adapter = found.includes("adapter_model.safetensors");
  let hint = "";
  if (adapter) hint = " It is an adapter; name its base model here and the adapter in adapter_name_or_path.";
  else if (other) hint = ` It has ${other}; only safetensors weights are read.`;
  return new AppError("file-missing", `${folder.name} has neither ${SINGLE} nor ${INDEX}.${hint}`, {
    details: { folder: folder.name, found },
  });
}

/** The file of each tensor. A name with a folder in it could lead out of the model's folder, so it is refused. */
function shardNames(index: Record<string, unknown>, asset: Asset): Map<string, string> {
  const map = index["weight_map"];
  if (!isRecord(map) || Object.keys(map).length === 0) {
    throw new AppError("file-invalid", `${asset.name}: weight_map is missing or empty.`);
  }
  const files = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== "string" || !/^[\w.-]+\.safetensors$/.test(file)) {
      throw new AppError(
        "file-invalid",
        `${asset.name}: ${tensor} lies in ${JSON.stringify(file)}, which is no file name.`,
      );
    }
    files.set(tensor, file);
  }
  return files;
}

/** The names of the files that hold the weights, by the index; none when there is no index. */
export async function shardsOf(folder: Folder): Promise<readonly string[]> {
  const index = await folder.open(INDEX);
  return index ? [...new Set(shardNames(await readJsonObject(index), index).values())].sort() : [];
}

async function readShards(folder: Folder, asset: Asset): Promise<ReadonlyMap<string, TensorSource>> {
  const wanted = shardNames(await readJsonObject(asset), asset);
  const tensors = new Map<string, TensorSource>();
  for (const file of [...new Set(wanted.values())].sort()) {
    const shard = await openShard(folder, file, wanted);
    for (const [name, tensor] of shard.tensors) {
      const other = wanted.get(name) ?? tensors.get(name)?.file ?? file;
      if (other !== file) {
        throw new AppError(
          "file-invalid",
          `${folder.name}: ${name} lies in ${file} and, by ${INDEX}, in ${other}.`,
          {
            details: { folder: folder.name, file, tensor: name },
          },
        );
      }
      tensors.set(name, tensor);
    }
  }
  return tensors;
}

/** One shard, with every tensor that the index promises of it. */
async function openShard(
  folder: Folder,
  file: string,
  wanted: ReadonlyMap<string, string>,
): Promise<SafetensorsFile> {
  const names = [...wanted].filter(([, place]) => place === file).map(([name]) => name);
  const asset = await folder.open(file);
  if (!asset) {
    throw new AppError(
      "file-missing",
      `${folder.name} has no ${file}, which holds ${names.length} tensors by ${INDEX}.`,
      {
        details: { folder: folder.name, file },
      },
    );
  }
  const shard = await readSafetensors(asset);
  const absent = names.find((name) => !shard.tensors.has(name));
  if (absent !== undefined) {
    throw new AppError(
      "file-invalid",
      `${folder.name}: ${INDEX} says that ${file} holds ${absent}; it does not.`,
      {
        details: { folder: folder.name, file, tensor: absent },
      },
    );
  }
  return shard;
}
