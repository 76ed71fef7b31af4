import { openModelFolder } from "../../src/formats/model_folder.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { memoryAsset, memoryFolder } from "../../src/host/memory.ts";
import { profileFor } from "../../src/kernels/profile.ts";
import { readAdapterFile } from "../../src/model/adapter_file.ts";
import { type LoadedModel, loadFrozen } from "../../src/model/loaded_model.ts";
import { readModelSpec } from "../../src/model/registry.ts";
import type { ModelSpec } from "../../src/model/spec.ts";
import { Generator } from "../../src/rollout/generator.ts";
import type { GeneratorOptions } from "../../src/rollout/parts.ts";

/** Files as data URLs, which both Node and a browser can fetch. */
const FILES = import.meta.glob<string>(
  [
    "../golden/{models,adapters}/{qwen3,gemma2,gemma3,gpt2,llama,phi3}/*.{json,safetensors}",
    "../golden/cases/generate-*/*.{json,safetensors}",
  ],
  { query: "?url&inline", import: "default" },
);

async function bytesOf(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const load = FILES[`../golden/${path}`];
  if (!load) throw new Error(`test/golden has no ${path}`);
  const response = await fetch(await load());
  return new Uint8Array(await response.arrayBuffer());
}

async function folderOf(path: string) {
  const prefix = `../golden/${path}/`;
  const names = Object.keys(FILES).filter((file) => file.startsWith(prefix));
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const name of names)
    files.set(name.slice(prefix.length), await bytesOf(name.slice("../golden/".length)));
  return memoryFolder(path, files);
}

export const MODELS = ["qwen3", "gemma3", "gpt2", "llama"] as const;
/** Softcaps on scores and logits with windows, and rotary tables of long sequences with windows. */
export const FURTHER = ["gemma2", "phi3"] as const;
export type ModelName = (typeof MODELS)[number] | (typeof FURTHER)[number];

/** A golden model on the GPU, with its adapter unless that is left out. */
export interface Loaded extends Pick<LoadedModel, "weights" | "adapter"> {
  readonly spec: ModelSpec;
}

export async function loadGolden(gpu: Gpu, name: ModelName, withAdapter = true): Promise<Loaded> {
  const model = await openModelFolder(await folderOf(`models/${name}`));
  const spec = readModelSpec(model.config);
  const adapter = withAdapter ? await readAdapterFile(await folderOf(`adapters/${name}`)) : undefined;
  return { spec, ...(await loadFrozen(gpu, { model, spec, adapter, baseFormat: "stored" })) };
}

export function makeGenerator(
  gpu: Gpu,
  loaded: Loaded,
  options: Partial<GeneratorOptions> = {},
): Promise<Generator> {
  const sizes = { maxSequences: 8, maxPromptTokens: 64, maxLength: 48 };
  return Generator.create(gpu, { ...loaded, profile: profileFor(gpu.capabilities), ...sizes, ...options });
}

/** A case of kind `generate`: prompts without their padding, and the tokens that must come. */
export async function generateCase(name: ModelName) {
  const path = `cases/generate-${name}`;
  const text = new TextDecoder().decode(await bytesOf(`${path}/case.json`));
  const { params } = JSON.parse(text) as {
    params: { max_new_tokens: number; repetition_penalty: number };
  };
  const inputs = await integersOf(`${path}/inputs.safetensors`);
  const expected = (await integersOf(`${path}/expected.safetensors`))("new_ids");
  const ids = inputs("input_ids");
  const mask = inputs("attention_mask");
  const prompts = ids.map((row, b) => row.filter((_, t) => mask[b]?.[t] === 1));
  return { params, prompts, expected: expected.map((row) => [...row]) };
}

/** The rows of a matrix of integers, by name. */
async function integersOf(path: string): Promise<(name: string) => Int32Array[]> {
  const { tensors } = await readSafetensors(memoryAsset(path, await bytesOf(path)));
  const all = new Map<string, Int32Array[]>();
  for (const [name, source] of tensors) {
    const [rows = 0, columns = 0] = source.shape;
    const data = new Int32Array((await source.bytes()).slice().buffer);
    all.set(
      name,
      Array.from({ length: rows }, (_, row) => data.slice(row * columns, (row + 1) * columns)),
    );
  }
  return (name) => all.get(name) ?? [];
}
