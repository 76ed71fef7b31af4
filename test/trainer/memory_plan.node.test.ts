import { describe, expect, it } from "vitest";
import { groupObjective } from "../../src/algorithms/grpo.ts";
import { ppoObjective } from "../../src/algorithms/ppo.ts";
import { sftObjective } from "../../src/algorithms/sft.ts";
import type { ModelFolder } from "../../src/formats/model_folder.ts";
import type { TensorSource } from "../../src/formats/safetensors.ts";
import { sharedSizes } from "../../src/gpu/arena.ts";
import { type Capabilities, DEFAULT_LIMITS } from "../../src/gpu/capabilities.ts";
import { memoryFolder } from "../../src/host/memory.ts";
import type { GroupLossSettings } from "../../src/kernels/loss/group_loss.ts";
import type { LoraSettings } from "../../src/model/lora.ts";
import { readModelSpec } from "../../src/model/registry.ts";
import { projectionsOf } from "../../src/model/spec.ts";
import { planGenerator } from "../../src/rollout/memory.ts";
import { freshValues } from "../../src/trainer/engine_for.ts";
import type { EngineOptions } from "../../src/trainer/engine_parts.ts";
import { planEngine, sum } from "../../src/trainer/memory_plan.ts";

/** Qwen3-0.6B: config.json and the shapes of its tensors. Content is never read by a plan. */
const CONFIG = {
  model_type: "qwen3",
  vocab_size: 151936,
  hidden_size: 1024,
  intermediate_size: 3072,
  num_hidden_layers: 28,
  num_attention_heads: 16,
  num_key_value_heads: 8,
  head_dim: 128,
  rope_theta: 1e6,
  tie_word_embeddings: true,
  max_position_embeddings: 40960,
};
const spec = readModelSpec(CONFIG);

function shapes(): Map<string, number[]> {
  const found = new Map([
    ["model.embed_tokens.weight", [151936, 1024]],
    ["model.norm.weight", [1024]],
  ]);
  for (const layer of spec.layers) {
    for (const norm of [layer.inputNorm, layer.mlpNorm]) found.set(`${norm}.weight`, [1024]);
    for (const norm of [layer.qNorm, layer.kNorm]) found.set(`${norm}.weight`, [128]);
  }
  for (const { file, inputs, outputs } of projectionsOf(spec)) found.set(`${file}.weight`, [outputs, inputs]);
  return found;
}

function unread(name: string, shape: readonly number[]): TensorSource {
  const refuse = () => Promise.reject(new Error(`${name} was read`));
  const byteLength = 2 * shape.reduce((a, b) => a * b, 1);
  return { name, dtype: "BF16", shape, file: "model.safetensors", byteLength, bytes: refuse, floats: refuse };
}

const model: ModelFolder = {
  name: "Qwen3-0.6B",
  config: CONFIG,
  tensors: new Map([...shapes()].map(([name, shape]) => [name, unread(name, shape)])),
  folder: memoryFolder("Qwen3-0.6B", {}),
};

const CAPABILITIES: Capabilities = {
  ...{ vendor: "", architecture: "", description: "", kind: "gpu", limits: DEFAULT_LIMITS, features: [] },
};
const LORA: LoraSettings = { rank: 16, alpha: 32, rsLora: false, dropout: 0, targets: "all-linear" };

/** LoRA r 16 on all linear layers, rematerialised, 2 rows of 512 tokens, within WebGPU's default limits. */
const OPTIONS: EngineOptions = {
  ...{ model, spec, baseFormat: "stored", rematerialize: true, micros: 1, maxLength: 512 },
  trainable: { kind: "lora", settings: LORA, values: freshValues(spec, LORA, 1) },
  capacity: { N: 1024, M: 1024, R: 2 },
  objective: sftObjective({ kind: "nll", smoothing: 0 }),
  optimizer: { kind: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 },
};

const GRPO: GroupLossSettings = {
  ...{ lossType: "grpo", level: "token", epsilon: 0.2, epsilonHigh: 0.2, delta: null, beta: 0.04 },
  ...{ biasCorrection: false, topEntropyQuantile: 1, offPolicyThreshold: null, onPolicy: true },
};

async function plannedGiB(baseFormat: "stored" | "nf4"): Promise<number> {
  const { buffers, arena, staging } = await planEngine(CAPABILITIES, { ...OPTIONS, baseFormat });
  return sum([...buffers, ...arena, staging]) / 2 ** 30;
}

/** An engine that learns from 8 answers of 256 tokens to prompts of 256, and what generates them. */
async function plannedParts(changes: Partial<EngineOptions>) {
  const sizes = { capacity: { N: 4096, M: 2048, R: 8 }, reference: "base" as const };
  const engine = await planEngine(CAPABILITIES, { ...OPTIONS, ...sizes, ...changes });
  const { weights, adapter } = engine.model;
  const generation = await planGenerator(CAPABILITIES, {
    ...{ spec, weights, adapter, profile: engine.profile },
    ...{ maxSequences: 8, maxPromptTokens: 8 * 256, maxLength: 512 },
  });
  const parts = Object.fromEntries(engine.parts.map(({ name, bytes }) => [name, bytes]));
  return { engine, generation, parts };
}

describe("the plan of Qwen3-0.6B, LoRA r 16, 2 x 512 tokens, rematerialised", () => {
  it("takes at most 1.6 GiB in 16 bits", async () => {
    expect(await plannedGiB("stored")).toBeLessThan(1.6);
  });

  it("takes at most 1.0 GiB in four bits", async () => {
    expect(await plannedGiB("nf4")).toBeLessThan(1);
  });
});

describe("the plan of Qwen3-0.6B that learns from 8 answers of 256 tokens", () => {
  // Keys and values of 28 layers, 8 heads of 128, 512 tokens each.
  const caches = 2 * 4 * 28 * 8 * 512 * 8 * 128;

  it("of GRPO has the caches of all answers, and no copy of the model", async () => {
    const { parts, generation, engine } = await plannedParts({ objective: groupObjective(GRPO, 1) });
    expect(parts["Reference"]).toBeUndefined();
    expect(generation.cache).toBe(caches);
    expect(generation.tables).toBeLessThan(0.01 * caches);
    // Both run in one arena, and training needs more of it.
    expect(sharedSizes(engine.arena, generation.arena)).toEqual(engine.arena);
  });

  it("of PPO has a value model that takes what the adapter takes, and a head", async () => {
    const value = { settings: LORA, values: freshValues(spec, LORA, 2), head: new Float32Array(1024) };
    const objective = ppoObjective({ temperature: 1, cliprange: 0.2, cliprange_value: 0.2, vf_coef: 0.1 });
    const { parts, engine } = await plannedParts({ objective, value });
    const { Adapter: adapter = 0, Gradients: gradients = 0, Optimizer: moments = 0 } = parts;
    expect(parts["Value model"]).toBe(adapter + gradients + moments + 4 * 4 * 1024);
    const plain = await plannedParts({ objective: OPTIONS.objective });
    // One arena holds the policy's pass or the value model's, never both.
    expect(sum(engine.arena)).toBeLessThan(1.05 * sum(plain.engine.arena));
  });
});
