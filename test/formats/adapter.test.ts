import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { type AdapterModule, adapterFiles, readAdapter } from "../../src/formats/adapter.ts";
import { adapterScale, targetsModule } from "../../src/formats/adapter_config.ts";
import { readSafetensors, type TensorInfo, writeSafetensors } from "../../src/formats/safetensors.ts";
import { memoryAsset, memoryFolder } from "../../src/host/memory.ts";
import { nodeFolder } from "../../src/host/node_files.ts";

const ADAPTERS = "test/golden/adapters";
const names = await readdir(ADAPTERS);
const qwen3 = await readFile(`${ADAPTERS}/qwen3/adapter_model.safetensors`);
const config = JSON.parse(await readFile(`${ADAPTERS}/qwen3/adapter_config.json`, "utf8"));

function encode(value: unknown) {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** The qwen3 adapter with another configuration or other tensors. */
function open(changes: Record<string, unknown>, weights: Uint8Array<ArrayBuffer> = new Uint8Array(qwen3)) {
  return readAdapter(
    memoryFolder("mine", {
      "adapter_config.json": encode({ ...config, ...changes }),
      "adapter_model.safetensors": weights,
    }),
  );
}

type Tensor = TensorInfo & { data: Uint8Array<ArrayBuffer> };

async function edited(edit: (tensors: Tensor[]) => Tensor[]) {
  const file = await readSafetensors(memoryAsset("a", new Uint8Array(qwen3)));
  const tensors = await Promise.all(
    [...file.tensors.values()].map(async (t) => ({ ...t, data: await t.bytes() })),
  );
  return writeSafetensors(edit(tensors));
}

function zeros(name: string, shape: readonly number[], dtype: "F32" | "BF16" | "I32" = "F32"): Tensor {
  const size = shape.reduce((a, b) => a * b, dtype === "BF16" ? 2 : 4);
  return { name, dtype, shape, data: new Uint8Array(size) };
}

describe("an adapter of PEFT", () => {
  it.each(names)("is read and written back with the same bytes: %s", async (name) => {
    const adapter = await readAdapter(nodeFolder(`${ADAPTERS}/${name}`, name));
    const before = JSON.parse(await readFile(`${ADAPTERS}/${name}/adapter_config.json`, "utf8"));
    expect(adapter.config.r).toBe(before.r);
    expect(adapter.notes).toEqual([]);
    const modules: AdapterModule[] = [];
    for (const [path, { a, b }] of adapter.modules) {
      expect(path).toMatch(name.endsWith("gpt2") ? /^transformer\.h\.\d/ : /^model\.layers\.\d/);
      const [inSize = 0, outSize = 0] = [a.shape[1], b.shape[0]];
      modules.push({ path, inSize, outSize, a: await a.floats(), b: await b.floats() });
    }
    const files = await adapterFiles(adapter.config, modules.reverse());
    const original = await readFile(`${ADAPTERS}/${name}/adapter_model.safetensors`);
    expect(files["adapter_model.safetensors"]).toEqual(new Uint8Array(original));
    const written = JSON.parse(new TextDecoder().decode(files["adapter_config.json"]));
    expect(written.target_modules).toEqual([...before.target_modules].sort());
    expect(written).toMatchObject({
      peft_type: "LORA",
      task_type: "CAUSAL_LM",
      inference_mode: true,
      fan_in_fan_out: name.endsWith("gpt2"),
      base_model_name_or_path: before.base_model_name_or_path,
      use_rslora: before.use_rslora,
      lora_alpha: before.lora_alpha,
    });
    expect(Object.keys(written)).toEqual(Object.keys(written).sort());
  });

  it("scales by alpha over r, or over its root", () => {
    expect(adapterScale({ r: 4, loraAlpha: 8, useRslora: false })).toBe(2);
    expect(adapterScale({ r: 4, loraAlpha: 8, useRslora: true })).toBe(4);
  });

  it("may name its targets as an expression or as all-linear, and be stored in 16 bit", async () => {
    expect((await open({ target_modules: ".*\\.(self_attn|mlp)\\.\\w+_proj" })).modules.size).toBe(14);
    expect((await open({ target_modules: "all-linear" })).modules.size).toBe(14);
    const path = "base_model.model.model.layers.0.self_attn.q_proj";
    const half = writeSafetensors([
      zeros(`${path}.lora_A.weight`, [4, 6], "BF16"),
      zeros(`${path}.lora_B.weight`, [8, 4]),
    ]);
    const read = await open({}, half);
    expect(await read.modules.get("model.layers.0.self_attn.q_proj")?.a.floats()).toEqual(
      new Float32Array(24),
    );
  });

  it("matches targets as PEFT does", () => {
    expect(targetsModule(["q_proj"], "model.layers.0.self_attn.q_proj")).toBe(true);
    expect(targetsModule(["proj"], "model.layers.0.self_attn.q_proj")).toBe(false);
    expect(targetsModule(["self_attn.q_proj"], "model.layers.0.self_attn.q_proj")).toBe(true);
    expect(targetsModule("q_proj", "model.layers.0.self_attn.q_proj")).toBe(false);
    expect(targetsModule(".*q_proj|x", "model.layers.0.self_attn.q_proj2")).toBe(false);
    expect(() => targetsModule("(", "x")).toThrow("cannot be read");
  });

  it("names the settings that it does not know", async () => {
    const { notes } = await open({ new_idea: { depth: 3 }, off_idea: null, peft_version: "0.99.0" });
    expect(notes).toEqual(['mine/adapter_config.json: new_idea {"depth":3} is not known and was not used.']);
  });
});

describe("an adapter that we cannot apply is refused by name", () => {
  it.each<[string, unknown]>([
    ["peft_type", "LOHA"],
    ["peft_type", undefined],
    ["task_type", "SEQ_CLS"],
    ["use_dora", true],
    ["use_qalora", true],
    ["rank_pattern", { q_proj: 8 }],
    ["alpha_pattern", { q_proj: 8 }],
    ["modules_to_save", ["lm_head"]],
    ["lora_bias", true],
    ["bias", "lora_only"],
    ["bias", "all"],
    ["target_parameters", ["mlp.experts"]],
    ["layer_replication", [[0, 2]]],
    ["trainable_token_indices", [1]],
    ["alora_invocation_tokens", [5]],
    ["init_lora_weights", "pissa"],
    ["init_lora_weights", "loftq"],
    ["megatron_config", { a: 1 }],
  ])("%s %j", async (setting, value) => {
    await expect(open({ [setting]: value })).rejects.toMatchObject({
      code: "adapter-unsupported",
      details: { setting },
    });
  });

  it.each<[string, unknown]>([
    ["r", 0],
    ["r", 2.5],
    ["r", "4"],
    ["lora_alpha", "8"],
    ["lora_dropout", 1],
    ["target_modules", []],
    ["target_modules", null],
    ["target_modules", [1]],
    ["use_rslora", "no"],
    ["fan_in_fan_out", 1],
    ["base_model_name_or_path", 7],
  ])("a wrong value: %s %j", async (setting, value) => {
    await expect(open({ [setting]: value })).rejects.toMatchObject({
      code: "file-invalid",
      details: { setting },
    });
  });

  const module = "base_model.model.model.layers.0.self_attn.q_proj";
  it.each([
    ["DoRA", zeros(`${module}.lora_magnitude_vector`, [4]), "belongs to DoRA"],
    [
      "an embedding",
      zeros("base_model.model.model.embed_tokens.lora_embedding_A", [4, 8]),
      "adapters on embeddings",
    ],
    ["a bias", zeros(`${module}.lora_B.bias`, [4]), "a bias in lora_B"],
    ["a full weight", zeros("base_model.model.lm_head.weight", [4, 8]), "a fully trained weight"],
    ["another name", zeros("model.x", [4]), "are known"],
    ["an adapter's name", zeros(`${module}.lora_A.default.weight`, [4, 8]), "are known"],
    ["no target", zeros("base_model.model.model.layers.0.gate.lora_A.weight", [4, 8]), "do not cover it"],
    [
      "a lone A",
      zeros("base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight", [4, 8]),
      "no lora_B",
    ],
    [
      "a lone B",
      zeros("base_model.model.model.layers.7.self_attn.q_proj.lora_B.weight", [8, 4]),
      "no lora_A",
    ],
    [
      "another rank",
      zeros("base_model.model.model.layers.7.mlp.up_proj.lora_A.weight", [8, 4]),
      "must be [4, in]",
    ],
    [
      "a rank on the wrong side",
      zeros("base_model.model.model.layers.7.mlp.up_proj.lora_B.weight", [4, 8]),
      "must be [out, 4]",
    ],
    ["a vector", zeros("base_model.model.model.layers.7.mlp.up_proj.lora_A.weight", [4]), "must be [4, in]"],
    [
      "whole numbers",
      zeros("base_model.model.model.layers.7.mlp.up_proj.lora_A.weight", [4, 8], "I32"),
      "its type is I32",
    ],
  ])("a tensor of %s", async (_, extra, words) => {
    const error = open({}, await edited((tensors) => [...tensors, extra]));
    await expect(error).rejects.toMatchObject({ code: "adapter-unsupported" });
    await expect(error).rejects.toThrow(words);
  });

  it("an empty file, and files that are not there", async () => {
    await expect(open({}, await edited(() => []))).rejects.toThrow("holds no lora_A and lora_B");
    const lone = memoryFolder("mine", { "adapter_config.json": encode(config) });
    await expect(readAdapter(lone)).rejects.toMatchObject({ code: "file-missing" });
    await expect(readAdapter(memoryFolder("mine", {}))).rejects.toThrow("mine has no adapter_config.json");
  });
});

describe("writing refuses", () => {
  const write = (a: Float32Array<ArrayBuffer>) => {
    const options = {
      r: 2,
      loraAlpha: 4,
      loraDropout: 0,
      useRslora: false,
      targetModules: ["q"],
      fanInFanOut: false,
    };
    const module = { path: "model.q", inSize: 3, outSize: 1, a, b: new Float32Array(2) };
    return adapterFiles({ ...options, baseModel: null, revision: null }, [module]);
  };

  it("matrices that do not fit and values that are not finite", async () => {
    expect(Object.keys(await write(new Float32Array(6)))).toEqual([
      "adapter_config.json",
      "adapter_model.safetensors",
    ]);
    await expect(write(new Float32Array(5))).rejects.toMatchObject({ code: "shape-mismatch" });
    await expect(write(new Float32Array(6).fill(Number.NaN))).rejects.toMatchObject({
      code: "loss-not-finite",
    });
  });
});
