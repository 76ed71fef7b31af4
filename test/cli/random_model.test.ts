import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { randomModel } from "../../src/cli/random_model/random_folder.ts";
import { type RandomDtype, randomTensors, tensorsOf } from "../../src/cli/random_model/random_tensors.ts";
import { SHAPES } from "../../src/cli/random_model/shapes.ts";
import { shardsFor, writeModel } from "../../src/cli/random_model/write_model.ts";
import { openModelFolder } from "../../src/formats/model_folder.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { architectures, readModelSpec } from "../../src/model/registry.ts";

const publicDir = join(import.meta.dirname, "../../public");
const tokenizer = join(publicDir, "models/aligntune-tiny");
const host = createNodeHost({ publicDir, runDir: () => publicDir });
const folder = mkdtempSync(join(tmpdir(), "aligntune-random-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shape = (name: string) => SHAPES[name] ?? {};
const options = (dtype: RandomDtype) => ({ seed: 3, dtype, deviation: 0.02 });

describe("shapes", () => {
  // What the published models have by their model cards' files.
  it.each([
    ["qwen3-0.6b", 596_049_920],
    ["qwen2.5-0.5b", 494_032_768],
    ["smollm2-135m", 134_515_008],
    ["llama-3.2-1b", 1_235_814_400],
    ["gemma-3-270m", 268_098_176],
    ["gpt2", 124_439_808],
  ])("%s has the parameters of its namesake", async (name, parameters) => {
    const { parameters: found } = await randomModel(name, shape(name), options("BF16"));
    expect(found).toBe(parameters);
  });

  it("has a small one of every architecture", () => {
    const types = Object.entries(SHAPES).filter(([name]) => name.startsWith("tiny-"));
    const found = types.map(([, { model_type: type }]) => type);
    expect(new Set(found)).toEqual(new Set(Object.keys(architectures)));
  });
});

describe("a written model", () => {
  const cases = Object.keys(SHAPES).filter((name) => name.startsWith("tiny-"));
  it.each(cases.map((name, i) => [name, (["BF16", "F16", "F32"] as const)[i % 3] ?? "BF16"] as const))(
    "opens with the names, shapes and values that its architecture needs: %s in %s",
    async (name, dtype) => {
      const dir = join(folder, name);
      const spec = readModelSpec(shape(name));
      const tensors = randomTensors(spec, options(dtype));
      const files = await writeModel(dir, shape(name), tensors, { shardBytes: 60_000, tokenizer });
      expect(files.length).toBeGreaterThan(1);
      const model = await openModelFolder(await host.openModel(dir));
      expect(readModelSpec(model.config)).toEqual(spec);
      const shapes = [...model.tensors.values()].map((tensor) => `${tensor.name} ${tensor.shape.join()}`);
      const needed = tensorsOf(spec).map((tensor) => `${tensor.name} ${tensor.shape.join()}`);
      expect(shapes.sort()).toEqual(needed.sort());
      const { model: nowhere } = await randomModel(name, shape(name), options(dtype));
      expect([...nowhere.tensors.keys()].sort()).toEqual([...model.tensors.keys()].sort());
      for (const tensor of tensors) {
        const written = model.tensors.get(tensor.name);
        expect(written?.dtype).toBe(dtype);
        const [given, found] = [await tensor.bytes(), (await written?.bytes()) ?? new Uint8Array()];
        expect(Buffer.compare(given, found), tensor.name).toBe(0);
        const made = (await nowhere.tensors.get(tensor.name)?.bytes()) ?? new Uint8Array();
        expect(Buffer.compare(given, made), tensor.name).toBe(0);
      }
    },
  );

  it("is not written into a folder that is in use", async () => {
    const tensors = randomTensors(readModelSpec(shape("tiny-gpt2")), options("BF16"));
    const written = writeModel(tokenizer, shape("tiny-gpt2"), tensors, { shardBytes: 1e6, tokenizer });
    await expect(written).rejects.toMatchObject({ code: "config-invalid" });
  });

  it("has one file where it is small enough, and a shard of its own for a tensor that is larger than one", () => {
    const tensors = randomTensors(readModelSpec(shape("tiny-llama")), options("BF16"));
    expect(shardsFor(tensors, 1e9)).toHaveLength(1);
    const [first] = shardsFor(tensors, 50_000);
    expect(first?.map(({ name }) => name)).toEqual(["model.embed_tokens.weight"]);
  });
});

describe("random tensors", () => {
  const spec = readModelSpec(shape("tiny-gemma3"));
  const tensors = new Map(randomTensors(spec, options("F32")).map((tensor) => [tensor.name, tensor]));

  it("are normal with the deviation asked for, and different from one another", async () => {
    const values = await tensors.get("model.embed_tokens.weight")?.floats();
    const other = await tensors.get("model.layers.0.mlp.up_proj.weight")?.floats();
    const mean = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / of.length;
    const all = [...(values ?? [])];
    expect(all).toHaveLength(1031 * 48);
    expect(Math.abs(mean(all))).toBeLessThan(0.0005);
    expect(Math.sqrt(mean(all.map((value) => value ** 2)))).toBeCloseTo(0.02, 3);
    expect(all.slice(0, 64)).not.toEqual([...(other ?? [])].slice(0, 64));
  });

  it("have norms that multiply by one: zero is stored where the architecture adds one", async () => {
    const norm = await tensors.get("model.norm.weight")?.floats();
    expect(new Set(norm)).toEqual(new Set([0]));
  });

  it("are the same in parts, from an odd byte on too", async () => {
    const [tensor] = randomTensors(spec, options("BF16"));
    const whole = await tensor?.bytes();
    expect([...((await tensor?.bytes(1001, 1334)) ?? [])]).toEqual([...(whole?.slice(1001, 1334) ?? [])]);
  });
});
