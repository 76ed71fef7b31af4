import { type ModelFolder, openModelFolder } from "../../formats/model_folder.ts";
import { planSafetensors, type TensorSource } from "../../formats/safetensors.ts";
import type { Asset, Folder } from "../../host/host.ts";
import { memoryAsset } from "../../host/memory.ts";
import { readModelSpec } from "../../model/registry.ts";
import type { ModelSpec } from "../../model/spec.ts";
import { type RandomOptions, randomTensors } from "./random_tensors.ts";

const WEIGHTS = "model.safetensors";

/** A model folder that is nowhere: bytes are made where they are read. Further files are given as they are. */
export function randomFolder(
  name: string,
  config: Readonly<Record<string, unknown>>,
  options: RandomOptions,
  files: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {},
): Folder {
  const assets = new Map<string, Asset>([
    ["config.json", memoryAsset("config.json", new TextEncoder().encode(JSON.stringify(config)))],
    [WEIGHTS, weightsFile(randomTensors(readModelSpec(config), options))],
    ...Object.entries(files).map(([file, bytes]) => [file, memoryAsset(file, bytes)] as const),
  ]);
  return {
    name,
    list: async () => [...assets.keys()].sort(),
    open: async (file) => assets.get(file),
  };
}

/** A safetensors file of tensors that can be read in parts. */
function weightsFile(tensors: readonly TensorSource[]): Asset {
  const { header, order, size } = planSafetensors(tensors);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const pieces: { start: number; end: number; read: TensorSource["bytes"] }[] = [
    { start: 0, end: header.length, read: async (start, end) => header.slice(start, end) },
  ];
  for (const { name } of order) {
    const start = pieces.at(-1)?.end ?? 0;
    const tensor = byName.get(name);
    if (tensor) pieces.push({ start, end: start + tensor.byteLength, read: tensor.bytes });
  }
  const read = async (start: number, end: number) => {
    const bytes = new Uint8Array(end - start);
    for (const piece of pieces) {
      const [from, to] = [Math.max(start, piece.start), Math.min(end, piece.end)];
      if (from < to) bytes.set(await piece.read(from - piece.start, to - piece.start), from - start);
    }
    return bytes;
  };
  return { name: WEIGHTS, size, read };
}

export interface RandomModel {
  readonly folder: Folder;
  readonly model: ModelFolder;
  readonly spec: ModelSpec;
  readonly parameters: number;
}

/** The folder, open: the same options give the same weights. Throws what a config.json is refused for. */
export async function randomModel(
  ...[name, config, options, files]: Parameters<typeof randomFolder>
): Promise<RandomModel> {
  const folder = randomFolder(name, config, options, files);
  const model = await openModelFolder(folder);
  const sizes = [...model.tensors.values()].map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  return {
    ...{ folder, model, spec: readModelSpec(config) },
    parameters: sizes.reduce((sum, size) => sum + size, 0),
  };
}
