import type { Asset } from "../host/host.ts";
import { memoryAsset } from "../host/memory.ts";
import { safetensorsAsset, type TensorMaker, tensorBytes } from "./safetensors_asset.ts";

/** At most so many bytes of tensors a file: what a phone's file system and a browser's download still take. */
export const SHARD_BYTES = 2_000_000_000;

/**
 * A model's tensors as transformers saves them: one model.safetensors, or from `limit` bytes on
 * model-00001-of-0000N.safetensors with model.safetensors.index.json before them. A tensor is never cut; one that is larger
 * than `limit` has a file of its own. Source: huggingface_hub, split_state_dict_into_shards_factory.
 */
export function shardedModel(tensors: readonly TensorMaker[], limit = SHARD_BYTES): readonly Asset[] {
  const shards: TensorMaker[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const tensor of tensors) {
    const size = tensorBytes(tensor);
    if (bytes + size > limit) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)?.push(tensor);
    bytes += size;
  }
  if (shards.length <= 1) return [safetensorsAsset("model.safetensors", tensors)];
  const number = (n: number) => String(n).padStart(5, "0");
  const names = shards.map((_, i) => `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`);
  const places = shards.flatMap((shard, i) => shard.map(({ name }) => [name, names[i]] as const));
  const index = {
    metadata: { total_size: tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0) },
    weight_map: Object.fromEntries(places.toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
  const text = new TextEncoder().encode(`${JSON.stringify(index, null, 2)}\n`);
  return [
    memoryAsset("model.safetensors.index.json", text),
    ...shards.map((shard, i) => safetensorsAsset(names[i] ?? "", shard)),
  ];
}
