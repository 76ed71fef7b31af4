import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { openModelFolder, requireTensor } from "../../src/formats/model_folder.ts";
import { writeSafetensors } from "../../src/formats/safetensors.ts";
import { memoryFolder } from "../../src/host/memory.ts";
import { nodeFolder } from "../../src/host/node_files.ts";

const MODELS = "test/golden/models";
const names = await readdir(MODELS);

async function filesOf(name: string): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const file of await readdir(`${MODELS}/${name}`)) {
    files.set(file, new Uint8Array(await readFile(`${MODELS}/${name}/${file}`)));
  }
  return files;
}

describe("a model folder", () => {
  it.each(names)("opens: %s", async (name) => {
    const model = await openModelFolder(nodeFolder(`${MODELS}/${name}`, name));
    expect(model.config["model_type"]).toBeTypeOf("string");
    expect(model.tensors.size).toBeGreaterThan(10);
    for (const tensor of model.tensors.values()) {
      const values = await tensor.floats();
      expect(values.length).toBe(tensor.shape.reduce((a, b) => a * b, 1));
      expect(values.every((value) => Number.isFinite(value))).toBe(true);
    }
  });

  it("in shards has the tensors of every shard", async () => {
    const model = await openModelFolder(nodeFolder(`${MODELS}/mistral`));
    expect(new Set([...model.tensors.values()].map(({ file }) => file)).size).toBe(3);
    expect(requireTensor(model, "lm_head.weight").shape).toEqual(
      requireTensor(model, "model.embed_tokens.weight").shape,
    );
  });

  it("of a GPT-2 has the same names with and without `transformer.` in its file", async () => {
    const files = await filesOf("gpt2");
    const plain = await openModelFolder(memoryFolder("gpt2", files));
    const weights = await Promise.all(
      [...plain.tensors.values()].map(async ({ name, dtype, shape, bytes }) => {
        return { name: `transformer.${name}`, dtype, shape, data: await bytes() };
      }),
    );
    files.set("model.safetensors", writeSafetensors(weights));
    const prefixed = await openModelFolder(memoryFolder("gpt2", files));
    expect([...prefixed.tensors.keys()].sort()).toEqual([...plain.tensors.keys()].sort());
  });

  it("names a tensor that is not there", async () => {
    const model = await openModelFolder(nodeFolder(`${MODELS}/qwen3`, "qwen3"));
    expect(() => requireTensor(model, "transformer.norm.weight")).toThrow(
      /qwen3 has no tensor transformer.norm.weight/,
    );
  });
});

describe("a broken model folder", () => {
  const index = "model.safetensors.index.json";
  const shard = "model-00002-of-00003.safetensors";

  async function broken(change: (files: Map<string, Uint8Array<ArrayBuffer>>) => void) {
    const files = await filesOf("mistral");
    change(files);
    return openModelFolder(memoryFolder("mistral", files));
  }
  function editIndex(edit: (map: Record<string, unknown>) => unknown) {
    return broken((files) => {
      const value = JSON.parse(new TextDecoder().decode(files.get(index)));
      files.set(index, new TextEncoder().encode(JSON.stringify({ weight_map: edit(value.weight_map) })));
    });
  }

  it("says which file is missing", async () => {
    await expect(broken((files) => files.delete("config.json"))).rejects.toMatchObject({
      code: "file-missing",
    });
    await expect(broken((files) => files.delete(shard))).rejects.toThrow(
      `mistral has no ${shard}, which holds`,
    );
    await expect(broken((files) => files.delete(index))).rejects.toThrow("has neither model.safetensors nor");
    const torch = memoryFolder("m", {
      "config.json": new TextEncoder().encode("{}"),
      "pytorch_model.bin": new Uint8Array(),
    });
    await expect(openModelFolder(torch)).rejects.toThrow("It has pytorch_model.bin; only safetensors");
    const peft = memoryFolder("m", {
      "config.json": new TextEncoder().encode("{}"),
      "adapter_model.safetensors": new Uint8Array(),
    });
    await expect(openModelFolder(peft)).rejects.toThrow("It is an adapter");
  });

  it("is refused when a shard was cut", async () => {
    const cut = broken((files) => files.set(shard, files.get(shard)?.slice(0, -1) ?? new Uint8Array()));
    await expect(cut).rejects.toMatchObject({ code: "file-invalid", details: { file: shard } });
  });

  it("is refused when the index lies", async () => {
    const added = editIndex((map) => ({ ...map, "model.extra": shard }));
    await expect(added).rejects.toThrow(`says that ${shard} holds model.extra; it does not`);
    const moved = editIndex((map) => ({ ...map, "lm_head.weight": shard }));
    await expect(moved).rejects.toMatchObject({ code: "file-invalid" });
    await expect(editIndex((map) => ({ ...map, x: "../x.safetensors" }))).rejects.toThrow(
      "which is no file name",
    );
    await expect(editIndex((map) => ({ ...map, x: 3 }))).rejects.toThrow("which is no file name");
    await expect(editIndex(() => ({}))).rejects.toThrow("weight_map is missing or empty");
    const list = broken((files) => files.set(index, new TextEncoder().encode("[]")));
    await expect(list).rejects.toThrow("must hold a JSON object");
  });

  it("is refused when config.json is no JSON or no text", async () => {
    const cut = broken((files) => files.set("config.json", new TextEncoder().encode("{")));
    await expect(cut).rejects.toMatchObject({ code: "file-invalid", details: { file: "config.json" } });
    const binary = broken((files) => files.set("config.json", new Uint8Array([0xff, 0xfe, 0])));
    await expect(binary).rejects.toThrow("config.json is not UTF-8 text");
  });
});
