import { describe, expect, it } from "vitest";
import { decodeFloats, encodeFloats } from "../../src/formats/dtype.ts";
import { quantizeNf4 } from "../../src/formats/nf4.ts";
import { loadModel } from "../../src/model/loaded_model.ts";
import { Nf4Matrix, Nf4Quantizer } from "../../src/model/quantize_weights.ts";
import { testDevice } from "../gpu.ts";
import { lora, normals, tinyModel } from "../tiny_model.ts";

const gpu = await testDevice();

describe("four bits while loading", () => {
  it("gives the words of the host, slice by slice: rows that are no whole blocks, an odd number of elements", async () => {
    const [rows, cols, slice] = [37, 43, 256];
    const bytes = encodeFloats(normals(3, rows * cols, 0.02), "BF16");
    const matrix = new Nf4Matrix(gpu, "matrix", rows, cols);
    const quantizer = await Nf4Quantizer.create(gpu, "bf16", slice);
    for (let at = 0; at < bytes.length; at += slice) {
      await matrix.add(quantizer, bytes.slice(at, at + slice), at / 2);
    }
    await matrix.finish();
    const expected = quantizeNf4(decodeFloats(bytes, "BF16"));
    const { tensor, nf4 } = matrix.weight;
    expect([...new Uint32Array(await gpu.read(tensor))]).toEqual([...expected.words]);
    expect(nf4).toEqual(expected.layout);
  });

  it("gives every linear of a model the words of the host, and keeps nothing else", async () => {
    const { model, spec, weights } = await tinyModel("gpt2");
    const before = gpu.counts.bytes;
    gpu.counts.peakBytes = before;
    const loaded = await loadModel(gpu, { model, spec, trainable: lora(spec), baseFormat: "nf4" });
    const made = gpu.counts.bytes - before;
    const [layer] = loaded.weights.layers;
    const down = layer?.down.parts[0]?.weight;
    const expected = quantizeNf4(weights.get("h.0.mlp.c_proj.weight") ?? new Float32Array());
    if (!down) throw new Error("no weight");
    expect([...new Uint32Array(await gpu.read(down.tensor))]).toEqual([...expected.words]);
    expect(down.nf4).toEqual(expected.layout);
    expect(gpu.counts.bytes - before).toBe(made);
    expect(gpu.counts.peakBytes - before).toBeGreaterThan(made);
  });
});
