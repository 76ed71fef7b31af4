import { sftObjective } from "../src/algorithms/sft.ts";
import type { SftConfig } from "../src/config/fields.ts";
import { readSettings } from "../src/config/read_settings.ts";
import { resolveOrThrow } from "../src/config/resolve.ts";
import type { TrainingRow } from "../src/data/packed_rows.ts";
import { type ModelFolder, openModelFolder } from "../src/formats/model_folder.ts";
import { floatsMaker, safetensorsAsset } from "../src/formats/safetensors_asset.ts";
import { memoryFolder } from "../src/host/memory.ts";
import { Random } from "../src/lib/random.ts";
import type { BatchRow } from "../src/model/batch_tables.ts";
import type { NamedValues, Trainable } from "../src/model/loaded_model.ts";
import { adapterEntries, type LoraSettings } from "../src/model/lora.ts";
import { readModelSpec } from "../src/model/registry.ts";
import type { ModelSpec } from "../src/model/spec.ts";
import { weightEntries } from "../src/model/trainable_weights.ts";
import type { EngineOptions } from "../src/trainer/engine_parts.ts";
import { toBatchRows } from "../src/trainer/micro_batch.ts";

/**
 * Models of two layers with random weights, made in memory: every architecture has a head size, a vocabulary and widths
 * that differ from one another, so that a shape taken for another one shows.
 */
const CONFIGS = {
  qwen3: {
    model_type: "qwen3",
    vocab_size: 83,
    hidden_size: 32,
    intermediate_size: 44,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 12,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    hidden_act: "silu",
    tie_word_embeddings: true,
  },
  gpt2: {
    model_type: "gpt2",
    vocab_size: 71,
    n_embd: 32,
    n_head: 4,
    n_layer: 2,
    n_positions: 48,
    n_inner: 40,
    activation_function: "gelu_new",
    layer_norm_epsilon: 1e-5,
  },
  gemma3: {
    model_type: "gemma3_text",
    vocab_size: 67,
    hidden_size: 32,
    intermediate_size: 36,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 16,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    rope_local_base_freq: 100,
    query_pre_attn_scalar: 16,
    sliding_window: 5,
    layer_types: ["sliding_attention", "full_attention"],
    final_logit_softcapping: 15,
    hidden_activation: "gelu_pytorch_tanh",
  },
} as const;
export type TinyName = keyof typeof CONFIGS;
export const TINY_NAMES: readonly TinyName[] = ["qwen3", "gpt2", "gemma3"];

export interface Tiny {
  readonly model: ModelFolder;
  readonly spec: ModelSpec;
  /** Every weight by its name in the file. */
  readonly weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
}

export interface TinyChanges {
  /** Entries of config.json to add or replace. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Changes the weights before they are written. */
  readonly edit?: (weights: Map<string, Float32Array<ArrayBuffer>>) => void;
  /** What config.json says in the end, against the weights that were made for `config`. */
  readonly claim?: Readonly<Record<string, unknown>>;
}

/** A model folder in memory, open. The same name and changes give the same bytes. */
export async function tinyModel(name: TinyName, { config, edit, claim }: TinyChanges = {}): Promise<Tiny> {
  const made = { ...CONFIGS[name], ...config };
  const spec = readModelSpec(made);
  const weights = new Map<string, Float32Array<ArrayBuffer>>();
  const shapes = new Map<string, readonly number[]>();
  const entries = weightEntries(spec, 2 ** 31).flatMap((entry) => entry.names);
  entries.forEach(({ name: tensor, shape }, i) => {
    const isNorm = shape.length === 1 && tensor.endsWith("weight");
    // Norm weights around what each architecture starts from, so that no path is closed or alone.
    const center = isNorm ? 1 - spec.norm.offset : 0;
    // A table large enough that hidden states of norm sqrt(C) can make any token nearly certain.
    const isTable = /embed|wte|lm_head/.test(tensor);
    shapes.set(tensor, shape);
    weights.set(tensor, normals(100 + i, product(shape), isTable ? 0.5 : 0.22, center));
  });
  edit?.(weights);
  const file = safetensorsAsset(
    "model.safetensors",
    [...weights].map(([tensor, values]) =>
      floatsMaker({ name: tensor, shape: shapes.get(tensor) ?? [values.length] }, values),
    ),
  );
  const folder = memoryFolder(`tiny-${name}`, {
    "config.json": new TextEncoder().encode(JSON.stringify({ ...made, ...claim })),
    "model.safetensors": await file.read(0, file.size),
  });
  const model = await openModelFolder(folder);
  return { model, spec, weights };
}

function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

export function normals(seed: number, n: number, deviation: number, center = 0): Float32Array<ArrayBuffer> {
  const random = new Random(seed);
  return Float32Array.from({ length: n }, () => center + deviation * random.normal());
}

export const LORA: LoraSettings = { rank: 4, alpha: 6, rsLora: false, dropout: 0, targets: "all-linear" };

/** An adapter that already does something: B is not zero, so that A has a gradient too. */
export function tinyAdapter(spec: ModelSpec, settings: LoraSettings = LORA, seed = 7): NamedValues {
  const names = adapterEntries(spec, settings, "policy").flatMap((entry) => entry.names);
  return new Map(
    names.map(({ name, shape }, i) => [name, { shape, data: normals(seed + i, product(shape), 0.2) }]),
  );
}

export function lora(spec: ModelSpec, changes: Partial<LoraSettings> = {}): Trainable {
  const settings = { ...LORA, ...changes };
  return { kind: "lora", settings, values: tinyAdapter(spec, settings) };
}

/** What an engine needs for a tiny model; LoRA on everything, no clipping, room for 64 tokens in 8 rows. */
export function tinyOptions(tiny: Tiny, changes: Partial<EngineOptions> = {}): EngineOptions {
  return {
    model: tiny.model,
    spec: tiny.spec,
    trainable: lora(tiny.spec),
    baseFormat: "stored",
    rematerialize: false,
    capacity: { N: 64, M: 64, R: 8 },
    micros: 4,
    maxLength: 32,
    objective: sftObjective({ kind: "nll", smoothing: 0 }),
    optimizer: {
      kind: "adamw",
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      weightDecay: 0,
      maxGradNorm: 0,
    },
    ...changes,
  };
}

/** Random rows of the given lengths; without `learned` every token but the first is a target. */
export function tinyRows(
  spec: ModelSpec,
  lengths: readonly number[],
  learned: (row: number, position: number) => boolean = () => true,
): TrainingRow[] {
  return lengths.map((length, row) => {
    const random = new Random(31, row);
    return {
      ids: Uint32Array.from({ length }, () => random.integer(spec.vocab)),
      learned: Uint8Array.from({ length }, (_, t) => (t > 0 && learned(row, t) ? 1 : 0)),
      lengths: [length],
      rowIndices: [row],
    };
  });
}

/** The same rows for the engine, each target weighing one over all targets of `among`. */
export function weighted(rows: readonly TrainingRow[], among: readonly TrainingRow[] = rows): BatchRow[] {
  const targets = among.reduce((sum, row) => sum + row.learned.reduce((a, b) => a + b, 0), 0);
  return toBatchRows(rows, targets === 0 ? 0 : 1 / targets);
}

/** A resolved configuration of supervised fine-tuning with these settings. */
export function tinyConfig(settings: Readonly<Record<string, unknown>>): SftConfig {
  const given = { algorithm: "sft", model_name: "tiny", dataset_name: "rows", ...settings };
  const { config } = resolveOrThrow({ override: readSettings(given) });
  if (config.algorithm !== "sft") throw new Error("the configuration is of another method");
  return config;
}
