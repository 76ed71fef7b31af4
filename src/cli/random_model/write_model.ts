import { copyFile, mkdir, open, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { planSafetensors, type TensorSource } from "../../formats/safetensors.ts";
import { AppError } from "../../lib/errors.ts";

/** What is held of a tensor while it is written. */
const PIECE = 8 * 2 ** 20;
/** What a folder needs beside its weights to be trained. */
const TOKENIZER = [
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "generation_config.json",
];

/** Tensors in order, cut where the next one would make a shard larger; one that is larger alone has its own. */
export function shardsFor(tensors: readonly TensorSource[], shardBytes: number): TensorSource[][] {
  const shards: { tensors: TensorSource[]; bytes: number }[] = [];
  for (const tensor of tensors) {
    const last = shards.at(-1);
    if (last && last.bytes + tensor.byteLength <= shardBytes) {
      last.tensors.push(tensor);
      last.bytes += tensor.byteLength;
    } else shards.push({ tensors: [tensor], bytes: tensor.byteLength });
  }
  return shards.map((shard) => shard.tensors);
}

/**
 * Writes a model folder in the Hugging Face layout, a piece of a tensor at a time: config.json, shards with their index, and
 * the tokenizer of another folder. Throws `config-invalid` for a folder that has something in it.
 */
export async function writeModel(
  dir: string,
  config: Readonly<Record<string, unknown>>,
  tensors: readonly TensorSource[],
  options: { readonly shardBytes: number; readonly tokenizer: string },
): Promise<readonly string[]> {
  await mkdir(dir, { recursive: true });
  if ((await readdir(dir)).length > 0) {
    throw new AppError("config-invalid", `${dir} has files in it. Give a folder that is new or empty.`);
  }
  await writeFile(join(dir, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  for (const file of TOKENIZER) await copyFile(join(options.tokenizer, file), join(dir, file));
  const shards = shardsFor(tensors, options.shardBytes);
  const number = (n: number) => String(n).padStart(5, "0");
  const files: string[] = [];
  const map: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const file =
      shards.length === 1
        ? "model.safetensors"
        : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    await writeShard(join(dir, file), shard);
    for (const { name } of shard) map[name] = file;
    files.push(file);
  }
  if (shards.length > 1) {
    const total_size = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const index = { metadata: { total_size }, weight_map: map };
    await writeFile(join(dir, "model.safetensors.index.json"), `${JSON.stringify(index, null, 2)}\n`);
  }
  return files;
}

async function writeShard(path: string, tensors: readonly TensorSource[]): Promise<void> {
  const { header, order } = planSafetensors(tensors);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const file = await open(path, "wx");
  try {
    await file.writeFile(header);
    for (const { name } of order) {
      const tensor = byName.get(name);
      if (!tensor) continue;
      for (let start = 0; start < tensor.byteLength; start += PIECE) {
        await file.writeFile(await tensor.bytes(start, Math.min(tensor.byteLength, start + PIECE)));
      }
    }
  } finally {
    await file.close();
  }
}
