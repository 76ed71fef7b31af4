import { describe, expect, it } from "vitest";
import { decodeFloats, encodeFloats } from "../../../src/formats/dtype.ts";
import { NF4_VALUES, nf4Blocks as oracle } from "../../../src/formats/nf4.ts";
import { nf4Blocks } from "../../../src/kernels/quantize/nf4_blocks.ts";
import { Random } from "../../../src/lib/random.ts";
import { testGpu, uniforms } from "../../gpu.ts";

const gpu = await testGpu();
const DTYPES = { f32: "F32", bf16: "BF16", f16: "F16" } as const;
type Format = keyof typeof DTYPES;

const MOST = 64 * 130;
const scratch = (format: Format) => ({
  x: gpu.tensor("x", [MOST / (format === "f32" ? 1 : 2)]),
  codes: gpu.tensor("codes", [MOST / 8]),
  absmax: gpu.tensor("absmax", [MOST / 64]),
});

/** The kernel on values that are first rounded to the format; the oracle on the same. Bits throughout. */
async function compare(format: Format, given: Float32Array<ArrayBuffer>) {
  const bytes = encodeFloats(given, DTYPES[format]);
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4).fill(0xff);
  padded.set(bytes);
  const tensors = scratch(format);
  gpu.gpu.upload(tensors.x, padded);
  await gpu.run((recorder) => nf4Blocks(recorder, tensors, { format }), { N: given.length });
  const words = await gpu.readUints(tensors.codes);
  const expected = oracle(decodeFloats(bytes, DTYPES[format]));
  const codes = Array.from(expected.codes, (_, i) => ((words[i >> 3] ?? 0) >>> (4 * (i & 7))) & 15);
  const absmax = (await gpu.read(tensors.absmax)).slice(0, expected.absmax.length);
  expect(codes).toEqual([...expected.codes]);
  expect([...absmax]).toEqual([...expected.absmax]);
  return words;
}

const f32 = new Float32Array(1);
const bits = new Uint32Array(f32.buffer);
function neighbours(value: number): number[] {
  return [-1, 0, 1].map((step) => {
    f32[0] = value;
    bits[0] = (bits[0] ?? 0) + step;
    return f32[0] ?? 0;
  });
}

/** Blocks whose first element is the largest, and the others lie on the midpoints of the codes or one float beside them. */
function onMidpoints(scales: readonly number[]): Float32Array<ArrayBuffer> {
  const middles = [...NF4_VALUES].slice(0, -1).map((value, i) => (value + (NF4_VALUES[i + 1] ?? 0)) / 2);
  const blocks = scales.map((scale) => {
    const values = middles.flatMap((middle) => neighbours(Math.fround(middle * Math.fround(scale))));
    return [scale, ...values, ...new Array<number>(63 - values.length).fill(0)];
  });
  return Float32Array.from(blocks.flat());
}

describe("nf4_blocks", () => {
  it.each<Format>(["f32", "bf16", "f16"])("has the codes of the oracle: %s", async (format) => {
    const random = new Random(5);
    const values = Float32Array.from({ length: MOST - 64 + 17 }, () => 0.02 * random.normal());
    values.fill(0, 128, 192);
    values.fill(-0, 192, 200);
    // Subnormal in f16, where 2^-24 is the least, and far below it in the others.
    for (let i = 256; i < 320; i++) values[i] = (values[i] ?? 0) * 1e-4;
    values.set([1e-40, -2e-45, 3e-39, -1e-38], 320);
    values.fill(0, 324, 384);
    const words = await compare(format, values);
    // Past the end of the last block, which has 17 elements, there are zeros.
    const last = values.length >> 3;
    expect((words[last] ?? 0) >>> 4).toBe(0);
  });

  it("decides as exact arithmetic does on the midpoints, at every size that floats have", async () => {
    const scales = uniforms(7, 40, 0.5, 2).map((value, i) => value * 2 ** (i - 20));
    const extremes = [1, 0.1, 2 ** -126, 1.17e-38, 5e-39, 1e-40, 1e-43, 3e-45, 2 ** 127, 3.4028234e38];
    await compare("f32", onMidpoints([...scales, ...extremes]));
  });

  it.each([1, 63, 64, 65, 4097])("takes %i elements", async (count) => {
    await compare("bf16", Float32Array.from(uniforms(count, count)));
  });

  it("gives what is not finite a code of its own, as the oracle does", async () => {
    const blocks = new Float32Array(4 * 64).fill(0.5);
    blocks.set([Number.POSITIVE_INFINITY, -3, Number.NEGATIVE_INFINITY], 64);
    blocks.set([Number.NEGATIVE_INFINITY], 128);
    for (const format of ["f32", "f16"] as const) await compare(format, blocks);
  });
});
