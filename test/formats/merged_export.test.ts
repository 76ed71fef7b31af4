import { describe, expect, it } from "vitest";
import { mergedFiles, type SavedRun } from "../../src/api/export_saved.ts";
import { type Adapter, readAdapter } from "../../src/formats/adapter.ts";
import { adapterScale } from "../../src/formats/adapter_config.ts";
import { type ModelFolder, openModelFolder } from "../../src/formats/model_folder.ts";
import { openStoredZip } from "../../src/formats/stored_zip.ts";
import { verifyExport } from "../../src/formats/verify_export.ts";
import { zipStream } from "../../src/formats/zip.ts";
import type { Asset } from "../../src/host/host.ts";
import { memoryAsset, memoryFolder } from "../../src/host/memory.ts";
import { nodeFolder } from "../../src/host/node_files.ts";
import { mergeAdapter } from "../../src/model/merge.ts";
import { readModelSpec } from "../../src/model/registry.ts";
import { projectionsOf } from "../../src/model/spec.ts";
import { tinyConfig } from "../tiny_model.ts";

const NAMES = ["qwen3", "qwen3-untied", "qwen2", "llama", "mistral", "phi3", "gemma2", "gemma3", "gpt2"];

async function open(name: string): Promise<{ model: ModelFolder; adapter: Adapter }> {
  return {
    model: await openModelFolder(nodeFolder(`test/golden/models/${name}`, name)),
    adapter: await readAdapter(nodeFolder(`test/golden/adapters/${name}`, name)),
  };
}

function saved(model: ModelFolder, adapter: Adapter | undefined): SavedRun {
  const config = tinyConfig({ model_name: "Qwen/tiny", lora_rank: 4, assistant_only_loss: false });
  return {
    model,
    adapter,
    config,
    configText: "",
    place: "Node",
    device: null,
    steps: 3,
    log: [],
    chatTemplate: undefined,
  };
}

async function written(files: readonly Asset[]) {
  const entries = files.map(async (file) => [file.name, await file.read(0, file.size)] as const);
  return memoryFolder("out", new Map(await Promise.all(entries)));
}

/** W + s B A in double precision, element by element and straight from the definition. */
async function expected(
  { model, adapter }: Awaited<ReturnType<typeof open>>,
  key: string,
): Promise<number[]> {
  const spec = readModelSpec(model.config);
  const weight = await model.tensors.get(key)?.floats();
  const projection = projectionsOf(spec).find(({ file }) => `${file}.weight` === key);
  const pair = projection && adapter.modules.get(projection.module);
  if (!pair || !weight) return [...(weight ?? [])];
  const [a, b] = [await pair.a.floats(), await pair.b.floats()];
  const { inputs, outputs } = projection;
  const { r } = adapter.config;
  return Array.from(weight, (w, at) => {
    const [out, into] = spec.conv1d
      ? [at % outputs, Math.floor(at / outputs)]
      : [Math.floor(at / inputs), at % inputs];
    let sum = 0;
    for (let k = 0; k < r; k++) sum += (b[out * r + k] ?? 0) * (a[k * inputs + into] ?? 0);
    return w + adapterScale(adapter.config) * sum;
  });
}

/** The largest distance in units of the spacing of numbers with `bits` bits of fraction. */
function worst(actual: Float32Array, wanted: readonly number[], bits: number): number {
  return wanted.reduce((most, value, i) => {
    const unit = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -120))) - bits);
    return Math.max(most, Math.abs((actual[i] ?? 0) - value) / unit);
  }, 0);
}

describe("a merged model", () => {
  // A value rounded once is half a unit away; the sum before it is off by less than a hundredth of one.
  it.each(NAMES)("is the base plus the adapter, in f32 and rounded to bf16: %s", async (name) => {
    const opened = await open(name);
    const spec = readModelSpec(opened.model.config);
    const changed: string[] = [];
    for (const [dtype, bits] of [
      ["F32", 23],
      ["BF16", 7],
    ] as const) {
      const { tensors } = mergeAdapter(opened.model, spec, opened.adapter, dtype);
      expect(tensors).toHaveLength(opened.model.tensors.size);
      const files = await written(await mergedFiles(saved(opened.model, opened.adapter), { dtype }));
      const again = await openModelFolder(files);
      for (const [key, source] of opened.model.tensors) {
        const values = (await again.tensors.get(key)?.floats()) ?? new Float32Array();
        const wanted = await expected(opened, key);
        expect(values).toHaveLength(wanted.length);
        expect(worst(values, wanted, bits)).toBeLessThan(0.51);
        const before = await source.floats();
        if (dtype === "F32" && wanted.some((value, i) => value !== before[i])) changed.push(key);
      }
    }
    expect(changed).toHaveLength(opened.adapter.modules.size);
  });

  it("keeps the types of the base unless asked, and says in config.json what they are", async () => {
    const { model, adapter } = await open("qwen3");
    const stored = await openModelFolder(await written(await mergedFiles(saved(model, adapter))));
    const types = (opened: ModelFolder) => [...opened.tensors].map(([key, { dtype }]) => [key, dtype]).sort();
    expect(types(stored)).toEqual(types(model));
    expect(stored.config).toEqual(model.config);
    const half = await openModelFolder(
      await written(await mergedFiles(saved(model, adapter), { dtype: "F16" })),
    );
    expect(new Set([...half.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["F16"]));
    expect(half.config["dtype"] ?? half.config["torch_dtype"]).toBe("float16");
  });

  it("is the same bytes in slices of any size, and in shards with an index", async () => {
    const { model, adapter } = await open("gpt2");
    const files = await mergedFiles(saved(model, adapter), { dtype: "BF16" });
    const whole = files.find(({ name }) => name === "model.safetensors") ?? memoryAsset("", new Uint8Array());
    const bytes = await whole.read(0, whole.size);
    for (const size of [9_977]) {
      for (let at = 0; at < whole.size; at += size) {
        const end = Math.min(at + size, whole.size);
        expect(Buffer.compare(await whole.read(at, end), bytes.subarray(at, end))).toBe(0);
      }
    }
    const shards = await mergedFiles(saved(model, adapter), { dtype: "BF16", shardBytes: 10_000 });
    const folder = await written(shards);
    const index = shards.find(({ name }) => name.endsWith(".index.json"));
    const json = JSON.parse(new TextDecoder().decode(await index?.read(0, index.size)));
    const one = await openModelFolder(await written(files));
    const many = await openModelFolder(folder);
    const total = [...one.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(json.metadata.total_size).toBe(total);
    expect([...many.tensors.keys()].sort()).toEqual([...one.tensors.keys()].sort());
    const names = (await folder.list()).filter((name) => name.endsWith(".safetensors"));
    expect(names.length).toBeGreaterThan(2);
    expect(names[0]).toBe(`model-00001-of-${String(names.length).padStart(5, "0")}.safetensors`);
    for (const [key, tensor] of one.tensors)
      expect(await many.tensors.get(key)?.bytes()).toEqual(await tensor.bytes());
  });

  it("takes rsLoRA's scale, and says from what it was merged", async () => {
    const { model, adapter } = await open("qwen3");
    const stabilised = { ...adapter, config: { ...adapter.config, useRslora: true } };
    const files = await written(await mergedFiles(saved(model, stabilised), { dtype: "F32" }));
    const key = "model.layers.0.mlp.down_proj.weight";
    const values = await (await openModelFolder(files)).tensors.get(key)?.floats();
    const wanted = await expected({ model, adapter: stabilised }, key);
    expect(worst(values ?? new Float32Array(), wanted, 23)).toBeLessThan(0.51);
    const readme = await files.open("README.md");
    const text = new TextDecoder().decode(await readme?.read(0, readme.size));
    expect(text).toContain("sqrt(4)");
    expect(text).toMatch(/W is what the base's own files hold \((F32|BF16|F16)\), not a 4-bit copy/);
    expect(text).toContain('model = AutoModelForCausalLM.from_pretrained(".")');
  });

  it("refuses an adapter of another model, and values that a type cannot hold", async () => {
    const { model, adapter } = await open("qwen3");
    const spec = readModelSpec(model.config);
    const other = await open("gpt2");
    expect(() => mergeAdapter(model, spec, other.adapter)).toThrow("does not fit this model");
    const huge = { ...adapter, config: { ...adapter.config, loraAlpha: 1e9 } };
    const { tensors } = mergeAdapter(model, spec, huge, "F16");
    const big = tensors.find(({ name }) => name.endsWith("0.mlp.down_proj.weight"));
    await expect(big?.bytes(0, 64)).rejects.toMatchObject({ code: "export-invalid" });
  });
});

describe("reading back what was saved", () => {
  async function zipped() {
    const { model, adapter } = await open("qwen3");
    const files = await mergedFiles(saved(model, adapter), { shardBytes: 40_000 });
    const bytes = new Uint8Array(await new Response(zipStream("a-merged", files)).arrayBuffer());
    return { files, bytes };
  }

  it("finds every file in a zip again, where it is", async () => {
    const { files, bytes } = await zipped();
    const folder = await openStoredZip(memoryAsset("a.zip", bytes));
    expect(await folder.list()).toEqual(files.map(({ name }) => name).sort());
    await verifyExport(folder, files);
  });

  it("says where a byte has changed, and that nothing is lost", async () => {
    const { files, bytes } = await zipped();
    const shard = files.find(({ name }) => name.endsWith(".safetensors"));
    const content = await shard?.read(0, shard.size);
    const at = Buffer.from(bytes).indexOf(Buffer.from(content ?? []));
    bytes[at + (content?.length ?? 0) - 1] = 255 - (bytes[at + (content?.length ?? 0) - 1] ?? 0);
    const failed = verifyExport(await openStoredZip(memoryAsset("a.zip", bytes)), files);
    await expect(failed).rejects.toMatchObject({ code: "export-invalid" });
    await expect(failed).rejects.toThrow(/differs at byte \d+\. Nothing is lost/);
  });

  it("refuses a zip that was cut, and a folder that lacks a file", async () => {
    const { files, bytes } = await zipped();
    await expect(openStoredZip(memoryAsset("a.zip", bytes.slice(0, -5)))).rejects.toThrow("cut short");
    const folder = await written(files.slice(1));
    await expect(verifyExport(folder, files)).rejects.toMatchObject({ code: "export-invalid" });
  });
});
