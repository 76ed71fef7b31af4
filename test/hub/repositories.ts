import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { floatsMaker, safetensorsAsset } from "../../src/formats/safetensors_asset.ts";
import { memoryAsset } from "../../src/host/memory.ts";
import { type Tiny, type TinyChanges, tinyModel } from "../tiny_model.ts";
import type { TestRepository } from "./answers.ts";

const FILES = join(import.meta.dirname, "files");
const EMBEDDED = join(import.meta.dirname, "../../public/models/aligntune-tiny");
const text = (content: string): Uint8Array => new TextEncoder().encode(content);

export const hubFile = (path: string): Uint8Array => readFileSync(join(FILES, path));

/** Every file of a folder below files/. */
function folder(name: string): Record<string, Uint8Array> {
  const paths = readdirSync(join(FILES, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(FILES, name).length + 1));
  return Object.fromEntries(paths.sort().map((path) => [path, hubFile(`${name}/${path}`)]));
}

/** The front matter of openai/gsm8k; its second subset has the first one's rows here. */
const GSM8K = `---
license: mit
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: main/test-*
- config_name: socratic
  data_files:
  - split: train
    path: socratic/train-*
---
# Grade school math
`;

/** The front matter of google-research-datasets/mbpp. */
const MBPP = `---
configs:
- config_name: full
  data_files:
  - split: train
    path: full/train-*
  - split: test
    path: full/test-*
  - split: validation
    path: full/validation-*
  default: true
- config_name: sanitized
  data_files:
  - split: train
    path: sanitized/train-*
---
`;

const CONFIG = { vocab_size: 1024, max_position_embeddings: 1024, eos_token_id: 1011, pad_token_id: 1009 };

/** Two layers of Qwen3's architecture with random weights, and the tokenizer and chat template of the embedded model. */
export function tinyQwen3(seed = 0): Promise<Record<string, Uint8Array>> {
  return withTokenizer({
    config: CONFIG,
    edit: (weights) => {
      // Small weights answer evenly; another seed gives another model.
      for (const values of weights.values())
        for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) * (1 + seed / 100);
    },
  }).then(({ files }) => files);
}

/**
 * The same in two shards of 2 MB each, more than is read of a file for its header: an embedding of more tokens than the
 * tokenizer has, and wide layers.
 */
export async function shardedQwen3(): Promise<Record<string, Uint8Array>> {
  const config = { ...CONFIG, vocab_size: 16_384, intermediate_size: 2560 };
  const { files, weights } = await withTokenizer({ config });
  const { "model.safetensors": whole = new Uint8Array(), ...small } = files;
  const { tensors } = await readSafetensors(memoryAsset("model.safetensors", new Uint8Array(whole)));
  const names = [...weights.keys()];
  const shards = [
    ["model-00001-of-00002.safetensors", names.filter((name) => name.includes("embed"))],
    ["model-00002-of-00002.safetensors", names.filter((name) => !name.includes("embed"))],
  ] as const;
  const made: Record<string, Uint8Array> = {};
  for (const [file, of] of shards) {
    const makers = of.map((name) =>
      floatsMaker({ name, shape: tensors.get(name)?.shape ?? [] }, weights.get(name) ?? new Float32Array()),
    );
    const asset = safetensorsAsset(file, makers);
    made[file] = await asset.read(0, asset.size);
  }
  const weight_map = Object.fromEntries(shards.flatMap(([file, of]) => of.map((name) => [name, file])));
  const index = JSON.stringify({ metadata: { total_size: whole.length }, weight_map });
  return { ...small, ...made, "model.safetensors.index.json": text(index) };
}

async function withTokenizer(
  changes: TinyChanges,
): Promise<{ files: Record<string, Uint8Array>; weights: Tiny["weights"] }> {
  const { model, weights } = await tinyModel("qwen3", changes);
  const made = Object.fromEntries(
    await Promise.all(
      (await model.folder.list()).map(async (name) => {
        const asset = await model.folder.open(name);
        return [name, (await asset?.read(0, asset.size)) ?? new Uint8Array()] as const;
      }),
    ),
  );
  const tokenizer = [
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
  ];
  const embedded = tokenizer.map((name) => [name, readFileSync(join(EMBEDDED, name))] as const);
  return { files: { ...made, ...Object.fromEntries(embedded) }, weights };
}

/** The model and the datasets of AlignTune's summary, under their names, small. */
export async function summaryRepositories(): Promise<TestRepository[]> {
  return [
    {
      kind: "models",
      id: "Qwen/Qwen3-0.6B",
      files: await tinyQwen3(),
      revisions: { second: await tinyQwen3(1) },
    },
    {
      ...{ kind: "datasets", id: "openai/gsm8k", aliases: ["gsm8k"] },
      files: {
        "README.md": text(GSM8K),
        ...folder("gsm8k"),
        "socratic/train-00000-of-00001.parquet": hubFile("gsm8k/main/train-00000-of-00001.parquet"),
      },
    },
    {
      ...{ kind: "datasets", id: "google-research-datasets/mbpp", aliases: ["mbpp"] },
      files: { "README.md": text(MBPP), ...folder("mbpp") },
    },
  ];
}
