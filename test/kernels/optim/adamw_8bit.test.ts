import { describe, expect, it } from "vitest";
import { adamw8bit, adamw8bitPlan } from "../../../src/kernels/optim/adamw_8bit.ts";
import { dynamicMap, dynamicMaps } from "../../../src/kernels/optim/dynamic_map.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/optim.ts";

const gpu = await testGpu();
const options = { lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1 };
const [signed, unsigned] = [dynamicMap(true), dynamicMap(false)];

/** One tensor in 8 bits with a short last block, a small one in f32, one without decay, and gaps between them. */
const ranges = [
  { offset: 0, count: 4199, decay: true },
  { offset: 4224, count: 300, decay: true },
  { offset: 4544, count: 4096, decay: false },
];
const LENGTH = 4544 + 4096 + 5;
const { blocks, words } = adamw8bitPlan(ranges);

function optimState(t: number, clip: number, finite: boolean): Uint32Array {
  const state = new Uint32Array(16);
  const floats = new Float32Array(state.buffer);
  floats[1] = clip;
  state[2] = finite ? 1 : 0;
  floats[4] = 1 - options.beta1 ** t;
  floats[5] = 1 - options.beta2 ** t;
  return state;
}

function makePool(threads: number) {
  const args = {
    params: gpu.tensor("params", [LENGTH], uniforms(1, LENGTH)),
    grads: gpu.tensor("grads", [LENGTH]),
    moments: gpu.tensor("moments", [words]),
    state: gpu.tensor("state", [16]),
    blocks: gpu.tensor("blocks", [blocks.length / 4, 4], blocks),
    maps: gpu.tensor("maps", [512], dynamicMaps()),
  };
  return {
    async step(grads: readonly number[], t: number, clip = 1, finite = true) {
      gpu.gpu.upload(args.grads, Float32Array.from(grads));
      gpu.gpu.upload(args.state, optimState(t, clip, finite));
      await gpu.run((recorder) => adamw8bit(recorder, args, { ...options, threads }), { lr: options.lr });
      return {
        p: [...(await gpu.read(args.params))],
        grads: [...(await gpu.read(args.grads))],
        moments: await gpu.readUints(args.moments),
      };
    },
  };
}

interface BlockState {
  readonly codes: readonly (readonly [m: number, v: number])[];
  readonly most: readonly [number, number];
  readonly values: readonly reference.Moments[];
}

/** The moments of a block as the shader left them. */
function readBlock(moments: Uint32Array, block: number): BlockState {
  const [, length = 0, word = 0, flags = 0] = blocks.slice(4 * block, 4 * block + 4);
  const floats = new Float32Array(moments.buffer);
  const at = Array.from({ length }, (_, i) => i);
  if (flags >= 2) {
    const values = at.map((i) => [floats[word + i] as number, floats[word + length + i] as number] as const);
    return { codes: [], most: [0, 0], values };
  }
  const code = (first: number, i: number) =>
    ((moments[first + Math.floor(i / 4)] as number) >>> (8 * (i % 4))) & 255;
  const codes = at.map((i) => [code(word + 2, i), code(word + 66, i)] as const);
  const most = [floats[word] as number, floats[word + 1] as number] as const;
  const values = codes.map(
    ([m, v]) => [(signed[m] as number) * most[0], (unsigned[v] as number) * most[1]] as const,
  );
  return { codes, most, values };
}

describe("dynamicMap", () => {
  it("is bitsandbytes' map", () => {
    expect([signed.length, new Set(signed).size, unsigned.length, new Set(unsigned).size]).toEqual(
      new Array(4).fill(256),
    );
    expect(maxError([signed[0] ?? 0, signed[255] ?? 0], [-0.99296874, 1])).toBeLessThan(1e-7);
    expect(signed[127]).toBe(0);
    expect((signed[128] as number) / 5.5e-7).toBeCloseTo(1, 6);
    expect([unsigned[0], unsigned[255]]).toEqual([0, 1]);
    expect((unsigned[1] as number) / 3.25e-7).toBeCloseTo(1, 6);
  });
});

it("plans blocks that never cross tensors, two bytes an element and eight a block", () => {
  expect([...blocks.slice(4 * 16, 4 * 20)]).toEqual([
    ...[4096, 103, 16 * 130, 1],
    ...[4224, 256, 17 * 130, 3],
    ...[4480, 44, 17 * 130 + 512, 3],
    ...[4544, 256, 17 * 130 + 600, 0],
  ]);
  expect(words).toBe(33 * 130 + 600);
});

describe.each([64, 1])("adamw_8bit, %i threads", (threads) => {
  it("follows the oracle for four steps, and stores the nearest codes", async () => {
    const pool = makePool(threads);
    let p = uniforms(1, LENGTH);
    let moments: Uint32Array = new Uint32Array(words);
    for (let t = 1; t <= 4; t++) {
      // Sizes differ from element to element, so that all decades of the maps are met; some are 0.
      const sizes = uniforms(90 + t, LENGTH, -6, 0);
      const grads = uniforms(20 + t, LENGTH).map((g, i) =>
        i % 50 === 0 ? 0 : g * 10 ** (sizes[i] as number),
      );
      const clip = 0.5;
      const actual = await pool.step(grads, t, clip);
      let wrong = 0;
      let worstP = 0;
      let worstMost = 0;
      for (let block = 0; block < blocks.length / 4; block++) {
        const [start = 0, , , flags = 0] = blocks.slice(4 * block, 4 * block + 4);
        const before = readBlock(moments, block).values;
        const after = readBlock(actual.moments, block);
        const wd = flags % 2 === 1 ? options.weight_decay : 0;
        const expected = before.map((moment, k) => {
          const g = Math.fround(grads[start + k] as number) * clip;
          return reference.adamw8bit(p[start + k] as number, moment, g, t, { ...options, weight_decay: wd });
        });
        expected.forEach((element, k) => {
          const size = Math.max(1, Math.abs(element.p), Math.abs(p[start + k] as number));
          worstP = Math.max(worstP, Math.abs((actual.p[start + k] as number) - element.p) / size);
        });
        if (flags >= 2) {
          const flat = expected.flatMap((element) => [...element.moments]);
          worstMost = Math.max(worstMost, maxError(after.values.flat(), flat));
          continue;
        }
        const most = [0, 1].map((i) =>
          Math.max(...expected.map(({ moments: m }) => Math.abs(m[i] as number))),
        );
        worstMost = Math.max(worstMost, maxError(after.most, most));
        expected.forEach(({ moments: [m, v] }, k) => {
          const [codeM = 0, codeV = 0] = after.codes[k] ?? [];
          let wantM = reference.nearestCode(signed, m / (most[0] as number));
          if (m < 0 && (signed[wantM] as number) >= 0) wantM -= 1;
          const wantV = reference.nearestCode(unsigned, v / (most[1] as number));
          if (codeM !== wantM || codeV !== wantV) wrong += 1;
          // Only where two codes are as near, to the rounding of f32, may another one be stored.
          expect(Math.abs(codeM - wantM) + Math.abs(codeV - wantV)).toBeLessThanOrEqual(1);
        });
      }
      // A v that was stored as 0 makes an update many times lr; relative to p, a few f32 operations.
      expect(worstP).toBeLessThan(1e-6);
      expect(worstMost).toBeLessThan(1e-6);
      expect(wrong).toBeLessThan(5);
      const own = (i: number) => ranges.some((r) => i >= r.offset && i < r.offset + r.count);
      expect(actual.grads.every((g, i) => (own(i) ? g === 0 : g === Math.fround(grads[i] as number)))).toBe(
        true,
      );
      expect(actual.p.every((v, i) => own(i) || v === p[i])).toBe(true);
      p = actual.p;
      moments = actual.moments;
    }
  });

  it("stays near AdamW in f32", async () => {
    const pool = makePool(threads);
    const start = uniforms(1, LENGTH).slice(0, 4199);
    const zeros = start.map(() => 0);
    let exact: reference.AdamState = { p: start, m: zeros, v: zeros };
    let actual: number[] = [];
    for (let t = 1; t <= 10; t++) {
      const grads = uniforms(50 + t, LENGTH, -0.5, 1);
      exact = reference.adamw(exact, grads.slice(0, 4199), t, 4199, options);
      actual = (await pool.step(grads, t)).p;
    }
    const moved = Math.sqrt(start.reduce((sum, v, i) => sum + (v - (exact.p[i] as number)) ** 2, 0));
    const apart = Math.sqrt(
      start.reduce((sum, _, i) => sum + ((actual[i] as number) - (exact.p[i] as number)) ** 2, 0),
    );
    // Codes are a few per cent apart; the directions agree.
    expect(apart / moved).toBeLessThan(0.05);
  });

  it("skips a step that is not finite, keeps its state and clears the gradients", async () => {
    const pool = makePool(threads);
    const before = await pool.step(uniforms(5, LENGTH), 1);
    const after = await pool.step(uniforms(6, LENGTH).with(7, Number.NaN), 2, 1, false);
    expect(after.p).toEqual(before.p);
    expect([...after.moments]).toEqual([...before.moments]);
    expect(after.grads.slice(0, 4199).every((g) => g === 0)).toBe(true);
  });
});
