import { describe, expect, it } from "vitest";
import { sftObjective } from "../../src/algorithms/sft.ts";
import { openGpu } from "../../src/gpu/device.ts";
import { BatchTables } from "../../src/model/batch_tables.ts";
import { readModelSpec } from "../../src/model/registry.ts";
import { Engine } from "../../src/trainer/engine.ts";
import { engineOptions } from "../../src/trainer/engine_for.ts";
import type { EngineOptions } from "../../src/trainer/engine_parts.ts";
import { testDevice } from "../gpu.ts";
import { LORA, lora, type Tiny, tinyAdapter, tinyConfig, tinyModel, tinyOptions } from "../tiny_model.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");

/** Creates an engine for a model as its own config.json describes it. */
async function open({ model }: Tiny, changes: Partial<EngineOptions> = {}) {
  const spec = readModelSpec(model.config);
  const options = tinyOptions({ model, spec, weights: new Map() }, changes);
  return Engine.create(gpu, options);
}

describe("a model that is not what its config.json says", () => {
  it.each([
    ["hidden_size", { hidden_size: 36 }],
    ["vocab_size, more than there is", { vocab_size: 84 }],
    ["vocab_size, less than there is", { vocab_size: 82 }],
    ["intermediate_size", { intermediate_size: 40 }],
    ["num_key_value_heads", { num_key_value_heads: 4 }],
    ["head_dim", { head_dim: 8 }],
  ])("is refused with both shapes: %s", async (_, claim) => {
    const own = await tinyModel("qwen3", { claim });
    for (const trainable of [lora(readModelSpec(own.model.config)), { kind: "full" } as const]) {
      await expect(open(own, { trainable })).rejects.toMatchObject({
        code: "model-invalid",
        message: expect.stringMatching(/ is \([\d, ]+\), but config\.json makes it \([\d, ]+\)/),
      });
    }
  });

  it("is refused with the rows of a table that lies in shards", async () => {
    const own = await tinyModel("qwen3", { config: { vocab_size: 201 }, claim: { vocab_size: 199 } });
    const limited = await openGpu({ limits: { maxStorageBufferBindingSize: 12288, maxBufferSize: 12288 } });
    const spec = readModelSpec(own.model.config);
    const options = tinyOptions(
      { ...own, spec },
      { trainable: { kind: "full" }, capacity: { N: 8, M: 8, R: 1 } },
    );
    await expect(Engine.create(limited, options)).rejects.toMatchObject({ code: "model-invalid" });
    limited.close();
  });

  it.each([
    ["a layer more", { num_hidden_layers: 3 }],
    ["an untied head", { tie_word_embeddings: false }],
    ["biases", { attention_bias: true }],
  ])("is refused with the name of what is missing: %s", async (_, claim) => {
    const own = await tinyModel("qwen3", { claim });
    await expect(open(own)).rejects.toMatchObject({
      code: "model-invalid",
      message: expect.stringContaining("has no tensor"),
    });
  });
});

describe("config.json", () => {
  it.each([
    ["an architecture that is not in the table", { model_type: "mamba" }, "model-unsupported"],
    ["a name that every object has", { model_type: "constructor" }, "model-unsupported"],
    ["an activation", { hidden_act: "relu" }, "model-unsupported"],
    ["rotary scaling", { rope_scaling: { rope_type: "proportional", factor: 4 } }, "model-unsupported"],
    ["weights in a quantised form", { quantization_config: { bits: 4 } }, "model-unsupported"],
    ["a size that is no number", { hidden_size: "32" }, "model-invalid"],
    ["a size below one", { num_hidden_layers: 0 }, "model-invalid"],
    ["a size that is not there", { vocab_size: undefined }, "model-invalid"],
    ["no architecture at all", { model_type: undefined }, "model-invalid"],
  ])("is refused for %s", async (_, claim, code) => {
    const { model } = await tinyModel("qwen3", { claim });
    expect(() => readModelSpec(model.config)).toThrow(expect.objectContaining({ code }));
  });

  it("may leave out what transformers leaves out: Gemma's head is its embedding", async () => {
    const { spec } = await tinyModel("gemma3");
    expect(spec.head).toBe(spec.embedding);
    expect((await tinyModel("gemma3", { config: { tie_word_embeddings: false } })).spec.head).toBe("lm_head");
    expect((await tinyModel("qwen3", { config: { tie_word_embeddings: undefined } })).spec.head).toBe(
      "lm_head",
    );
  });
});

describe("an adapter for another model", () => {
  it.each([
    ["wider", { hidden_size: 36 }],
    ["deeper", { num_hidden_layers: 3 }],
  ])("is refused: one that is %s", async (_, config) => {
    const other = await tinyModel("qwen3", { config });
    const trainable = { kind: "lora", settings: LORA, values: tinyAdapter(other.spec) } as const;
    await expect(open(tiny, { trainable })).rejects.toMatchObject({ code: "adapter-unsupported" });
  });

  it("is refused when it lacks a module, and when its rank is another", async () => {
    const values = tinyAdapter(tiny.spec);
    const [first = ""] = values.keys();
    const less = new Map([...values].filter(([name]) => name !== first));
    for (const [settings, given] of [
      [LORA, less],
      [{ ...LORA, rank: 8 }, values],
      [{ ...LORA, targets: ["q_proj"] }, values],
    ] as const) {
      const trainable = { kind: "lora", settings, values: given } as const;
      await expect(open(tiny, { trainable })).rejects.toMatchObject({ code: "adapter-unsupported" });
    }
  });

  it("is refused when its targets name no module", async () => {
    const settings = { ...LORA, targets: ["c_attn"] };
    const trainable = { kind: "lora", settings, values: new Map() } as const;
    await expect(open(tiny, { trainable })).rejects.toMatchObject({ code: "config-invalid" });
  });
});

describe("rows", () => {
  it("begin in the rotary table of their length, whatever lies beside them", async () => {
    const tables = new BatchTables(gpu, { N: 16, M: 1, R: 3 }, { tile: 16, long: 3 });
    const row = (length: number, span?: number) => ({
      ...{ ids: new Uint32Array(length), key: 0, targets: [], weights: [] },
      ...(span !== undefined && { span }),
    });
    // A prompt of three tokens whose fourth is decoded is a sequence of four.
    const { N } = tables.fill([row(3), row(4), row(3, 4)]);
    const positions = new Uint32Array(await gpu.read(tables.tensors.positions)).slice(0, N);
    expect([...positions]).toEqual([0, 1, 2, 3, 4, 5, 6, 3, 4, 5]);
  });

  it("longer than the model has positions are refused before anything is loaded", () => {
    const plan = {
      ...{ model: tiny.model, spec: tiny.spec, trainable: lora(tiny.spec), profile: undefined },
      ...{ capacity: { N: 65, M: 64, R: 1 }, onBytes: () => {}, micros: 1 },
      objective: sftObjective({ kind: "nll", smoothing: 0 }),
    };
    const config = tinyConfig({});
    expect(() => engineOptions(config, { ...plan, maxLength: 65 })).toThrow(
      expect.objectContaining({ code: "config-invalid", details: { key: "max_seq_length", limit: 64 } }),
    );
    expect(engineOptions(config, { ...plan, maxLength: 64 }).maxLength).toBe(64);
  });
});
