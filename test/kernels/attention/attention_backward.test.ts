import { describe, expect, it } from "vitest";
import { attentionBackward } from "../../../src/kernels/attention/attention_backward.ts";
import { attentionForward } from "../../../src/kernels/attention/attention_forward.ts";
import { attentionTiles } from "../../../src/kernels/attention/tiles.ts";
import type { KernelProfile } from "../../../src/kernels/profile.ts";
import { maxError, relativeError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/attention.ts";
import { type RopeCase, ropeBackward, ropeForward } from "../../reference/rope.ts";
import { CASES, casesFor, inputs, PROFILES, ROWS, sum } from "./attention.ts";

const gpu = await testGpu();

async function run(profile: KernelProfile, c: reference.AttentionCase, rows = c.rowLengths, from = 0) {
  const { heads, kvHeads, headDim: D } = c;
  const x = inputs(c);
  const N = sum(rows);
  const table = attentionTiles(rows, profile.attentionTile);
  const width = { q: heads * D, k: kvHeads * D, qkv: (heads + 2 * kvHeads) * D };
  const tensor = (label: string, columns: number, values?: number[]) =>
    gpu.tensor(label, [N + 2, columns], values?.slice(from * columns, (from + N) * columns));
  const args = {
    q: tensor("q", width.q, x.q),
    k: tensor("k", width.k, x.k),
    qkv: tensor("qkv", width.qkv, x.qkv),
    out: tensor("out", width.q),
    dout: tensor("dout", width.q, x.dout),
    stats: gpu.tensor("stats", [N + 2, heads, 2]),
    dq: tensor("dq", width.q),
    dk: tensor("dk", width.k),
    dqkv: tensor("dqkv", width.qkv),
    tiles: gpu.tensor("tiles", [table.length / 4, 4], table),
  };
  await gpu.run(
    (recorder) => {
      const { q, k, qkv, out, stats, tiles } = args;
      attentionForward(recorder, profile, { q, k, qkv, out, stats, tiles }, c);
      attentionBackward(recorder, profile, args, c);
    },
    { N, T: table.length / 4 },
  );
  const stats = await gpu.read(args.stats);
  return {
    dq: (await gpu.read(args.dq)).slice(0, N * width.q),
    dk: (await gpu.read(args.dk)).slice(0, N * width.k),
    dqkv: (await gpu.read(args.dqkv)).slice(0, N * width.qkv),
    delta: stats.filter((_, i) => i % 2 === 1).slice(0, N * heads),
  };
}

describe.each(Object.values(PROFILES))("attention_backward, $kind", (profile) => {
  it.each(casesFor(profile, gpu.gpu.capabilities))("matches the oracle: %s", async (_, c) => {
    const actual = await run(profile, c);
    const expected = reference.attentionBackward(inputs(c), inputs(c).dout, c);
    // As the forward, and dw - delta cancels: several units in the last place of the tensor's size.
    expect(relativeError(actual.dq, expected.dq)).toBeLessThan(5e-6);
    expect(relativeError(actual.dk, expected.dk)).toBeLessThan(5e-6);
    expect(relativeError(actual.dqkv, expected.dqkv)).toBeLessThan(5e-6);
    expect(maxError(actual.delta, expected.delta)).toBeLessThan(1e-5);
  });

  it.each(profile.kind === "gpu" ? [32] : [32, 64])(
    "matches the oracle with tiles of %i",
    async (attentionTile) => {
      const c = {
        ...CASES["window 5, D = 32"],
        window: 21,
        rowLengths: [70, 3, 130],
      } as reference.AttentionCase;
      const actual = await run({ ...profile, attentionTile }, c);
      const expected = reference.attentionBackward(inputs(c), inputs(c).dout, c);
      expect(relativeError(actual.dq, expected.dq)).toBeLessThan(5e-6); // as above
      expect(relativeError(actual.dk, expected.dk)).toBeLessThan(5e-6);
      expect(relativeError(actual.dqkv, expected.dqkv)).toBeLessThan(5e-6);
    },
  );

  it("gives a row the same bits alone as packed", async () => {
    const c = CASES["grouped, window 20, softcap, D = 96"] as reference.AttentionCase;
    const packed = await run(profile, c);
    const before = sum(ROWS.slice(0, 4));
    const alone = await run(profile, c, ROWS.slice(4), before);
    for (const [name, heads] of [
      ["dq", c.heads],
      ["dk", c.kvHeads],
      ["dqkv", c.heads + 2 * c.kvHeads],
    ] as const) {
      expect([...alone[name]], name).toEqual([...packed[name].slice(before * heads * c.headDim)]);
    }
  });
});

describe("the oracles", () => {
  it("agree with finite differences: window, softcap, groups, QK norm, partial rotary", () => {
    const attention = {
      heads: 4,
      kvHeads: 2,
      headDim: 8,
      scale: 0.6,
      window: 3,
      softcap: 2,
      rowLengths: [1, 6],
    };
    const D = attention.headDim;
    const rope: RopeCase = {
      ...attention,
      rotary: 6,
      eps: 1e-5,
      offset: 1,
      rotate: true,
      theta: 100,
      positions: [0, 0, 1, 2, 3, 4, 5],
      qNorm: uniforms(5, D),
      kNorm: uniforms(6, D),
    };
    const qkv = uniforms(7, 7 * 8 * D);
    const dout = uniforms(8, 7 * 4 * D);
    const loss = (x: number[], c: RopeCase) =>
      reference
        .attentionForward({ ...ropeForward(x, c), qkv: x }, attention)
        .out.reduce((total, v, i) => total + v * (dout[i] as number), 0);
    const { dq, dk, dqkv } = reference.attentionBackward({ ...ropeForward(qkv, rope), qkv }, dout, attention);
    const back = ropeBackward(qkv, dq, dk, rope);
    const gradient = back.dqkv.map((v, i) => v + (dqkv[i] as number));
    // Central differences in float64: truncation h^2 = 1e-10.
    expect(
      relativeError(
        differences(qkv, (x) => loss(x, rope)),
        gradient,
      ),
    ).toBeLessThan(1e-8);
    const qNorm = differences(rope.qNorm as number[], (w) => loss(qkv, { ...rope, qNorm: w }));
    expect(relativeError(qNorm, back.dqNorm)).toBeLessThan(1e-8);
    const kNorm = differences(rope.kNorm as number[], (w) => loss(qkv, { ...rope, kNorm: w }));
    expect(relativeError(kNorm, back.dkNorm)).toBeLessThan(1e-8);
  });
});

/** Central differences of f at x. */
function differences(x: readonly number[], f: (x: number[]) => number, h = 1e-5): number[] {
  return x.map((_, i) => {
    const moved = (by: number) => f(x.map((v, j) => (j === i ? v + by : v)));
    return (moved(h) - moved(-h)) / (2 * h);
  });
}
