import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tinyModel } from "../tiny_model.ts";
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

/** Two layers of Qwen3's architecture with random weights, and the tokenizer and chat template of the embedded model. */
export async function tinyQwen3(seed = 0): Promise<Record<string, Uint8Array>> {
  const { model } = await tinyModel("qwen3", {
    config: { vocab_size: 1024, max_position_embeddings: 1024, eos_token_id: 1011, pad_token_id: 1009 },
    edit: (weights) => {
      // Small weights answer evenly; another seed gives another model.
      for (const values of weights.values())
        for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) * (1 + seed / 100);
    },
  });
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
  return {
    ...made,
    ...Object.fromEntries(tokenizer.map((name) => [name, readFileSync(join(EMBEDDED, name))])),
  };
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
