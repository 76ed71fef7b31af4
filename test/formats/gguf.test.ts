import { describe, expect, it } from "vitest";
import { ggufFile } from "../../src/api/export_saved.ts";
import { type Adapter, readAdapter } from "../../src/formats/adapter.ts";
import { readGguf } from "../../src/formats/gguf.ts";
import { openModelFolder } from "../../src/formats/model_folder.ts";
import { memoryAsset } from "../../src/host/memory.ts";
import { nodeFolder } from "../../src/host/node_files.ts";
import { ggufAdapter } from "../../src/model/gguf_adapter.ts";
import { readModelSpec } from "../../src/model/registry.ts";

async function open(name: string) {
  const model = await openModelFolder(nodeFolder(`test/golden/models/${name}`, name));
  return { model, adapter: await readAdapter(nodeFolder(`test/golden/adapters/${name}`, name)) };
}

async function bytesOf(name: string, change: Partial<Adapter["config"]> = {}) {
  const { model, adapter } = await open(name);
  const file = await ggufFile(
    { model, adapter: { ...adapter, config: { ...adapter.config, ...change } } },
    "a.gguf",
  );
  return { adapter, bytes: await file.read(0, file.size) };
}

/** The file taken apart by the format's description, without our reader. */
function parts(bytes: Uint8Array<ArrayBuffer>) {
  const view = new DataView(bytes.buffer);
  let at = 24;
  const u64 = () => {
    at += 8;
    return Number(view.getBigUint64(at - 8, true));
  };
  const u32 = () => {
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const f32 = () => {
    at += 4;
    return view.getFloat32(at - 4, true);
  };
  const text = () => {
    const size = u64();
    at += size;
    return Buffer.from(bytes.subarray(at - size, at)).toString();
  };
  expect(Buffer.from(bytes.subarray(0, 4)).toString()).toBe("GGUF");
  expect(view.getUint32(4, true)).toBe(3);
  const values: Record<string, unknown> = {};
  for (let i = Number(view.getBigUint64(16, true)); i > 0; i--) {
    const key = text();
    const type = u32();
    if (type === 8) values[key] = text();
    else values[key] = type === 6 ? f32() : u32();
  }
  const infos = Array.from({ length: Number(view.getBigUint64(8, true)) }, () => {
    const name = text();
    const ne = Array.from({ length: u32() }, u64);
    return { name, ne, type: u32(), offset: u64() };
  });
  const start = Math.ceil(at / 32) * 32;
  const floats = (name: string) => {
    const info = infos.find((one) => one.name === name);
    if (!info) throw new Error(`no tensor ${name}`);
    const from = start + info.offset;
    const size = (info.ne[0] ?? 0) * (info.ne[1] ?? 0);
    return new Float32Array(bytes.slice(from, from + 4 * size).buffer);
  };
  return { values, infos, start, floats };
}

describe("an adapter for llama.cpp", () => {
  it("has its keys, its tensors reversed and aligned, and nothing else", async () => {
    const { adapter, bytes } = await bytesOf("qwen3");
    const { values, infos, start, floats } = parts(bytes);
    expect(values).toMatchObject({
      "general.type": "adapter",
      "general.architecture": "qwen3",
      "adapter.type": "lora",
      "adapter.lora.alpha": adapter.config.loraAlpha,
    });
    expect(infos).toHaveLength(2 * adapter.modules.size);
    const { r } = adapter.config;
    for (const [path, { a, b }] of adapter.modules) {
      const layer = /layers\.(\d+)/.exec(path)?.[1];
      const part = {
        ...{ q_proj: "attn_q", k_proj: "attn_k", v_proj: "attn_v", o_proj: "attn_output" },
        ...{ gate_proj: "ffn_gate", up_proj: "ffn_up", down_proj: "ffn_down" },
      }[path.split(".").at(-1) ?? ""];
      const name = `blk.${layer}.${part}.weight`;
      expect(infos.find((one) => one.name === `${name}.lora_a`)?.ne).toEqual([a.shape[1], r]);
      expect(infos.find((one) => one.name === `${name}.lora_b`)?.ne).toEqual([r, b.shape[0]]);
      expect(floats(`${name}.lora_a`)).toEqual(await a.floats());
      expect(floats(`${name}.lora_b`)).toEqual(await b.floats());
    }
    let end = 0;
    for (const { ne, type, offset } of infos) {
      expect([type, offset % 32, offset]).toEqual([0, 0, Math.ceil(end / 32) * 32]);
      end = offset + 4 * (ne[0] ?? 0) * (ne[1] ?? 0);
    }
    expect(bytes.length).toBe(start + Math.ceil(end / 32) * 32);
  });

  it("has q and k of Llama in llama.cpp's order: its neighbours are the halves of a head", async () => {
    const { adapter, bytes } = await bytesOf("llama");
    const { model } = await open("llama");
    const { floats } = parts(bytes);
    const { r } = adapter.config;
    const heads = {
      q_proj: model.config["num_attention_heads"],
      k_proj: model.config["num_key_value_heads"],
    };
    for (const [part, count] of Object.entries(heads)) {
      const b = await adapter.modules.get(`model.layers.1.self_attn.${part}`)?.b.floats();
      if (!b) throw new Error("the fixture adapts q and k");
      const size = b.length / r / Number(count);
      const made = floats(`blk.1.attn_${part[0]}.weight.lora_b`);
      for (let row = 0; row < b.length / r; row++) {
        const inHead = row % size;
        const from = row - inHead + (inHead % 2) * (size / 2) + Math.floor(inHead / 2);
        expect(made.slice(row * r, (row + 1) * r)).toEqual(b.slice(from * r, (from + 1) * r));
      }
    }
    const v = adapter.modules.get("model.layers.1.self_attn.v_proj");
    expect(v ? floats("blk.1.attn_v.weight.lora_b") : v).toEqual(await v?.b.floats());
  });

  it.each([
    ["mistral", "llama", "attn_v"],
    ["phi3", "phi3", "attn_qkv"],
    ["gemma2", "gemma2", "ffn_gate"],
    ["qwen2", "qwen2", "ffn_up"],
  ])("knows %s as %s, every tensor of it", async (name, architecture, part) => {
    const { adapter, bytes } = await bytesOf(name);
    const { values, infos } = parts(bytes);
    expect(values["general.architecture"]).toBe(architecture);
    expect(infos).toHaveLength(2 * adapter.modules.size);
    expect(new Set(infos.map((info) => info.name)).size).toBe(infos.length);
    expect(infos.map((info) => info.name)).toContain(`blk.0.${part}.weight.lora_b`);
  });

  it("leaves GPT-2's factors as PEFT has them: every matrix of a GGUF is (out, in)", async () => {
    const { adapter, bytes } = await bytesOf("gpt2");
    const { values, infos, floats } = parts(bytes);
    expect(values["general.architecture"]).toBe("gpt2");
    for (const [path, { a, b }] of adapter.modules) {
      const [, layer, part] = /h\.(\d+)\.(.+)$/.exec(path) ?? [];
      const name = {
        "attn.c_attn": "attn_qkv",
        "attn.c_proj": "attn_output",
        "mlp.c_fc": "ffn_up",
        "mlp.c_proj": "ffn_down",
      };
      const tensor = `blk.${layer}.${name[part as keyof typeof name]}.weight`;
      expect(infos.find((one) => one.name === `${tensor}.lora_b`)?.ne).toEqual([
        adapter.config.r,
        b.shape[0],
      ]);
      expect(floats(`${tensor}.lora_a`)).toEqual(await a.floats());
    }
  });

  it("writes the alpha that makes llama.cpp's alpha / r the run's own scale", async () => {
    const { bytes } = await bytesOf("gemma3", { useRslora: true, loraAlpha: 6 });
    const { values } = parts(bytes);
    // 6 / sqrt(4) is 3, and so is 12 / 4.
    expect(values).toMatchObject({ "general.architecture": "gemma3", "adapter.lora.alpha": 12 });
  });

  it("refuses what llama.cpp would not run as it is meant", async () => {
    await expect(bytesOf("qwen3", { loraAlpha: 0 })).rejects.toMatchObject({ code: "adapter-unsupported" });
    const { model, adapter } = await open("qwen3");
    const strange = { ...readModelSpec(model.config), modelType: "strange" };
    await expect(ggufAdapter("a.gguf", strange, adapter)).rejects.toThrow("cannot be saved for llama.cpp");
    const [pair] = adapter.modules.values();
    const head = { ...adapter, modules: new Map(pair ? [["lm_head", pair]] : []) };
    await expect(ggufFile({ model, adapter: head }, "a.gguf")).rejects.toThrow("no place for lm_head");
  });

  it("is refused when it was cut or changed", async () => {
    const { bytes } = await bytesOf("qwen2");
    const read = (changed: Uint8Array<ArrayBuffer>) => readGguf(memoryAsset("a.gguf", changed));
    await expect(read(bytes)).resolves.toMatchObject({ tensors: expect.any(Array) });
    for (const size of [3, 40, 300, bytes.length - 1])
      await expect(read(bytes.slice(0, size))).rejects.toMatchObject({ code: "file-invalid" });
    await expect(read(Uint8Array.from([...bytes, ...new Uint8Array(32)]))).rejects.toThrow("belong to none");
  });
});
