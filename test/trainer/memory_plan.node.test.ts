import { describe, expect, it } from "vitest";
import { sftObjective } from "../../src/algorithms/sft.ts";
import type { ModelFolder } from "../../src/formats/model_folder.ts";
import type { TensorSource } from "../../src/formats/safetensors.ts";
import { DEFAULT_LIMITS } from "../../src/gpu/device.ts";
import { memoryFolder } from "../../src/host/memory.ts";
import { readModelSpec } from "../../src/model/registry.ts";
import { projectionsOf } from "../../src/model/spec.ts";
import { freshValues } from "../../src/trainer/engine_for.ts";
import { planMemory } from "../../src/trainer/memory_plan.ts";

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

/** GiB for LoRA r 16 on all linear layers, 2 rows of 512 tokens, within WebGPU's default limits. */
async function plannedGiB(baseFormat: "stored" | "nf4"): Promise<number> {
  const settings = { rank: 16, alpha: 32, rsLora: false, dropout: 0, targets: "all-linear" } as const;
  const { parts } = await planMemory(
    { vendor: "", architecture: "", description: "", kind: "gpu", limits: DEFAULT_LIMITS, features: [] },
    {
      ...{ model, spec, baseFormat, rematerialize: true, micros: 1, maxLength: 512 },
      trainable: { kind: "lora", settings, values: freshValues(spec, settings, 1) },
      capacity: { N: 1024, M: 1024, R: 2 },
      objective: sftObjective({ kind: "nll", smoothing: 0 }),
      optimizer: { kind: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 },
    },
  );
  return parts.reduce((sum, part) => sum + part.bytes, 0) / 2 ** 30;
}

describe("the plan of Qwen3-0.6B, LoRA r 16, 2 x 512 tokens, rematerialised", () => {
  it("takes at most 1.6 GiB in 16 bits", async () => {
    expect(await plannedGiB("stored")).toBeLessThan(1.6);
  });

  it("takes at most 1.0 GiB in four bits", async () => {
    expect(await plannedGiB("nf4")).toBeLessThan(1);
  }, 120_000);
});
