import { describe, expect, it } from "vitest";
import { qkNormBackwardW } from "../../../src/kernels/rope/qk_norm_backward_w.ts";
import { ropeBackward } from "../../../src/kernels/rope/rope_backward.ts";
import { ropeForward } from "../../../src/kernels/rope/rope_forward.ts";
import { ropeTable } from "../../../src/kernels/rope/tables.ts";
import { maxError, relativeError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/rope.ts";

const gpu = await testGpu();

const profiles = (["cpu", "gpu"] as const).map((kind) => ({ kind, rowThreads: 64, attentionTile: 16 }));

/** Positions restart at each row. */
const positions = [0, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1000];
const [N, CAPACITY] = [positions.length, positions.length + 2];

const base = {
  heads: 4,
  kvHeads: 2,
  headDim: 64,
  rotary: 64,
  eps: 1e-6,
  offset: 0,
  rotate: true,
  theta: 1e4,
  positions,
};
const norms = (D: number) => ({ qNorm: uniforms(5, D), kNorm: uniforms(6, D) });
const cases: Readonly<Record<string, reference.RopeCase>> = {
  "no norm": base,
  "QK norm, D = 128": { ...base, headDim: 128, rotary: 128, ...norms(128) },
  "QK norm, offset, D = 256": {
    ...base,
    heads: 3,
    kvHeads: 1,
    headDim: 256,
    rotary: 256,
    offset: 1,
    ...norms(256),
  },
  partial: { ...base, headDim: 80, rotary: 32 },
  "QK norm, partial, D = 20": { ...base, headDim: 20, rotary: 6, offset: 1, ...norms(20) },
  "learned positions": { ...base, kvHeads: 4, headDim: 8, rotary: 8, rotate: false },
};

function tensors(c: reference.RopeCase) {
  const { heads: H, kvHeads: K, headDim: D } = c;
  const { theta, rotary } = c;
  const table = ropeTable({ theta, rotary, positions: 1001, scaling: { type: "default" } });
  const padded = Uint32Array.from({ length: CAPACITY }, (_, n) => positions[n] ?? 0);
  return {
    x: {
      qkv: uniforms(1, N * (H + 2 * K) * D, -2, 2),
      dq: uniforms(2, N * H * D),
      dk: uniforms(3, N * K * D),
    },
    tables: {
      positions: gpu.tensor("positions", [CAPACITY], padded),
      rotations: c.rotate ? gpu.tensor("rotations", [1001, rotary], table) : undefined,
      qNorm: c.qNorm ? gpu.tensor("qNorm", [D], c.qNorm) : undefined,
      kNorm: c.kNorm ? gpu.tensor("kNorm", [D], c.kNorm) : undefined,
    },
    shape: { q: [CAPACITY, H * D], k: [CAPACITY, K * D], qkv: [CAPACITY, (H + 2 * K) * D] },
  };
}

describe.each(profiles)("rope, $kind", (profile) => {
  it.each(Object.entries(cases))("forward matches the oracle: %s", async (_, c) => {
    const { x, tables, shape } = tensors(c);
    const args = {
      ...tables,
      qkv: gpu.tensor("qkv", shape.qkv, x.qkv),
      q: gpu.tensor("q", shape.q),
      k: gpu.tensor("k", shape.k),
    };
    await gpu.run((recorder) => ropeForward(recorder, profile, args, c), { N });
    const expected = reference.ropeForward(x.qkv, c);
    const [q, k] = [await gpu.read(args.q), await gpu.read(args.k)];
    // A sum of two products with rounded tables; with norm, an inverse square root of 2 units in the last place too.
    expect(maxError(q.slice(0, expected.q.length), expected.q)).toBeLessThan(2e-6);
    expect(maxError(k.slice(0, expected.k.length), expected.k)).toBeLessThan(2e-6);
    expect([...q.slice(expected.q.length)].every((value) => value === 0)).toBe(true);
  });

  it.each(Object.entries(cases))("backward matches the oracle: %s", async (_, c) => {
    const { x, tables, shape } = tensors(c);
    const { heads: H, kvHeads: K, headDim: D } = c;
    const width = (H + 2 * K) * D;
    const args = {
      ...tables,
      qkv: gpu.tensor("qkv", shape.qkv, x.qkv),
      dq: gpu.tensor("dq", shape.q, x.dq),
      dk: gpu.tensor("dk", shape.k, x.dk),
      dqkv: gpu.tensor("dqkv", shape.qkv, new Float32Array(CAPACITY * width).fill(7)),
    };
    await gpu.run((recorder) => ropeBackward(recorder, profile, args, c), { N });
    const { dqkv: expected } = reference.ropeBackward(x.qkv, x.dq, x.dk, c);
    const actual = await gpu.read(args.dqkv);
    const inSections = (_: number, i: number) => i < N * width && i % width < (H + K) * D;
    expect(relativeError(actual.filter(inSections), expected.filter(inSections))).toBeLessThan(1e-6); // as forward
    expect([...actual].every((value, i) => inSections(value, i) || value === 7)).toBe(true);
  });

  it.each(["QK norm, D = 128", "QK norm, partial, D = 20", "QK norm, offset, D = 256"])(
    "adds the gradient of the norms' weights: %s",
    async (name) => {
      const c = cases[name] as reference.RopeCase;
      const { x, tables, shape } = tensors(c);
      const args = {
        ...tables,
        qkv: gpu.tensor("qkv", shape.qkv, x.qkv),
        dq: gpu.tensor("dq", shape.q, x.dq),
        dk: gpu.tensor("dk", shape.k, x.dk),
        dqNorm: gpu.tensor("dqNorm", [c.headDim], new Float32Array(c.headDim).fill(2)),
        dkNorm: gpu.tensor("dkNorm", [c.headDim]),
      };
      await gpu.run((recorder) => qkNormBackwardW(recorder, profile, args, c), { N });
      const expected = reference.ropeBackward(x.qkv, x.dq, x.dk, c);
      const dqNorm = expected.dqNorm.map((v) => v + 2);
      // Sums of 17 to 68 products in f32.
      expect(maxError(await gpu.read(args.dqNorm), dqNorm)).toBeLessThan(3e-6);
      expect(maxError(await gpu.read(args.dkNorm), expected.dkNorm)).toBeLessThan(3e-6);
    },
  );
});
