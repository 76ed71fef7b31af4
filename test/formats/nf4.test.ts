import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import {
  dequantizeNf4,
  dequantizeNf4Blocks,
  NF4_VALUES,
  nf4Blocks,
  nf4Scales,
  quantizeNf4,
  signedDynamicMap,
} from "../../src/formats/nf4.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { memoryAsset } from "../../src/host/memory.ts";
import { Random } from "../../src/lib/random.ts";
import { maxError, uniforms } from "../gpu.ts";

async function golden(name: string, key: string) {
  const bytes = new Uint8Array(await readFile(`test/golden/cases/nf4/${name}.safetensors`));
  const source = (await readSafetensors(memoryAsset(name, bytes))).tensors.get(key);
  if (!source) throw new Error(`no ${key}`);
  return source;
}

/** A normal distribution, as trained weights have; elements no multiple of 64, blocks no multiple of 256. */
function weights(elements: number): Float32Array<ArrayBuffer> {
  const random = new Random(5);
  return Float32Array.from({ length: elements }, () => 0.02 * random.normal());
}

const ELEMENTS = 64 * 300 + 17;

describe("NF4 blocks", () => {
  it("equal the golden codes, scales and values", async () => {
    const source = await golden("inputs", "weight");
    const blocks = nf4Blocks(await source.floats());
    expect([...blocks.codes]).toEqual([...(await (await golden("expected", "codes")).bytes())]);
    const absmax = await (await golden("expected", "absmax")).floats();
    expect([...blocks.absmax]).toEqual([...absmax]);
    const values = await (await golden("expected", "dequantized")).floats();
    // One product in f32.
    expect(maxError(dequantizeNf4Blocks(blocks), values)).toBeLessThan(1e-6);
  });

  it("give each of the 16 values its own code, and an equal distance the lower", () => {
    const middles = Array.from(
      { length: 15 },
      (_, i) => (NF4_VALUES[i] as number) + (NF4_VALUES[i + 1] as number),
    );
    // Only those midpoints that are floats can be met exactly.
    const exact = middles
      .map((sum, i) => ({ middle: sum / 2, i }))
      .filter(({ middle }) => Math.fround(middle) === middle);
    const { codes } = nf4Blocks(Float32Array.from([...NF4_VALUES, ...exact.map(({ middle }) => middle)]));
    expect([...codes]).toEqual([...Array.from({ length: 16 }, (_, i) => i), ...exact.map(({ i }) => i)]);
    expect(exact.length).toBeGreaterThan(0);
  });

  it("are those of exact arithmetic on the midpoints and one float beside them, at every size", () => {
    const middles = [...NF4_VALUES].slice(1).map((value, i) => (value + (NF4_VALUES[i] as number)) / 2);
    // Every float times 2^149 is a whole number, and every midpoint times 2^30.
    const whole = (value: number) => BigInt(value * 2 ** 149);
    const bounds = middles.map((middle) => BigInt(middle * 2 ** 30));
    const float = new Float32Array(1);
    const bits = new Uint32Array(float.buffer);
    const scales = [
      ...uniforms(9, 200, 0.5, 2).map((scale, i) => scale * 2 ** (i - 100)),
      1e-45,
      7e-45,
      2e-39,
    ];
    for (const scale of scales) {
      const block = new Float32Array(64);
      block[0] = scale;
      const largest = block[0] as number;
      middles.forEach((middle, i) => {
        for (const step of [-1, 0, 1]) {
          float[0] = middle * largest;
          bits[0] = (bits[0] as number) + step;
          // Beside zero there is another sign; the largest stays the largest.
          block[2 + 3 * i + step] = Math.abs(float[0] as number) <= largest ? (float[0] as number) : 0;
        }
      });
      const exact = Array.from(block, (x) => {
        return bounds.filter((bound) => whole(x) * 2n ** 30n > whole(largest) * bound).length;
      });
      expect([...nf4Blocks(block).codes], `scale ${scale}`).toEqual(exact);
    }
  });

  it("find the nearest value by plain search", () => {
    const values = Float32Array.from(uniforms(3, 640));
    const { codes, absmax } = nf4Blocks(values);
    const nearest = Array.from(values, (value, i) => {
      const distances = Array.from(NF4_VALUES, (v) => Math.abs(v - value / (absmax[i >> 6] as number)));
      return distances.indexOf(Math.min(...distances));
    });
    expect([...codes]).toEqual(nearest);
  });

  it("are code 7 and scale 0 for zeros, and may be short", () => {
    const { codes, absmax } = nf4Blocks(Float32Array.from({ length: 70 }, (_, i) => (i < 64 ? 0 : -3)));
    expect([...absmax]).toEqual([0, 3]);
    expect([...codes]).toEqual([...new Array(64).fill(7), ...new Array(6).fill(0)]);
  });
});

describe("the dynamic map", () => {
  const map = signedDynamicMap();
  it("has 256 ascending values between -0.99297 and 1", () => {
    expect(map.length).toBe(256);
    expect([...map].every((value, i) => i === 0 || value > (map[i - 1] as number))).toBe(true);
    expect([map[0], map[127], map[255]]).toEqual([Math.fround(-0.99296875), 0, 1]);
    expect(map[128]).toBeCloseTo(5.5e-7, 12);
  });
});

describe("NF4 with double quantisation", () => {
  const values = weights(ELEMENTS);
  const quantized = quantizeNf4(values);
  const { absmax } = nf4Blocks(values);

  it("packs codes, scale codes, scales and the map one after the other", () => {
    const { words, layout } = quantized;
    const blocks = 301;
    expect(layout.scaleCodes).toBe(Math.ceil(ELEMENTS / 8));
    expect(layout.scales).toBe(layout.scaleCodes + Math.ceil(blocks / 4));
    expect(layout.map).toBe(layout.scales + 2);
    expect(words.length).toBe(layout.map + 256);
    expect([...new Float32Array(words.buffer).slice(layout.map)]).toEqual([...signedDynamicMap()]);
    expect(Math.fround(layout.offset)).toBe(layout.offset);
    const { codes } = nf4Blocks(values);
    const unpacked = Uint8Array.from(values, (_, i) => ((words[i >> 3] as number) >>> (4 * (i & 7))) & 15);
    expect([...unpacked]).toEqual([...codes]);
  });

  it("keeps each scale to half a step of the map", () => {
    const { words, layout } = quantized;
    const scales = nf4Scales(quantized, ELEMENTS);
    const floats = new Float32Array(words.buffer);
    // The widest step of the map is 9/640: 64 parts of [0.1, 1].
    const worst = Array.from(scales, (scale, b) => {
      const error = Math.abs(scale - (absmax[b] as number));
      return error / (floats[layout.scales + Math.floor(b / 256)] as number);
    });
    expect(Math.max(...worst)).toBeLessThan(0.9 / 64 / 2 + 1e-6);
  });

  it("keeps each weight to half the widest gap of the 16 values, and the error of its scale", () => {
    const back = dequantizeNf4(quantized, ELEMENTS);
    const scales = nf4Scales(quantized, ELEMENTS);
    const worst = Array.from(values, (value, i) => {
      const largest = absmax[i >> 6] as number;
      const allowed = (largest * (1 - 0.6961928)) / 2 + Math.abs((scales[i >> 6] as number) - largest);
      return Math.abs((back[i] as number) - value) - allowed;
    });
    expect(Math.max(...worst)).toBeLessThan(1e-8);
  });

  it("has the mean error of four bits on normal weights", () => {
    const back = dequantizeNf4(quantized, ELEMENTS);
    const size = values.reduce((sum, value) => sum + Math.abs(value), 0);
    const error = values.reduce((sum, value, i) => sum + Math.abs(value - (back[i] as number)), 0);
    // bitsandbytes' own test allows 0.0727 of the mean magnitude of a normal distribution / 0.8: about 9 percent.
    expect(error / size).toBeLessThan(0.1);
    expect(error / size).toBeGreaterThan(0.05);
  });

  it("keeps zeros, a constant and an empty matrix", () => {
    const zeros = quantizeNf4(new Float32Array(100));
    expect(dequantizeNf4(zeros, 100).every((value) => value === 0)).toBe(true);
    const constant = dequantizeNf4(quantizeNf4(new Float32Array(130).fill(-0.75)), 130);
    expect(constant.every((value) => value === -0.75)).toBe(true);
    expect(dequantizeNf4(quantizeNf4(new Float32Array(0)), 0).length).toBe(0);
  });
});
