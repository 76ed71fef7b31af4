import { describe, expect, it } from "vitest";
import { attentionForward } from "../../../src/kernels/attention/attention_forward.ts";
import { attentionTiles } from "../../../src/kernels/attention/tiles.ts";
import type { KernelProfile } from "../../../src/kernels/profile.ts";
import { maxError, testGpu } from "../../gpu.ts";
import * as reference from "../../reference/attention.ts";
import { CASES, casesFor, inputs, PROFILES, ROWS, sum } from "./attention.ts";

const gpu = await testGpu();

/** Runs rows that start at token `from` of the case's packing; their tiles are as if they were alone. */
async function run(
  profile: KernelProfile,
  c: reference.AttentionCase,
  rows = c.rowLengths,
  from = 0,
  x = inputs(c),
) {
  const { heads, kvHeads, headDim: D } = c;
  const N = sum(rows);
  const capacity = N + 3;
  const part = (values: number[], width: number) => values.slice(from * width, (from + N) * width);
  const table = attentionTiles(rows, profile.attentionTile);
  const args = {
    q: gpu.tensor("q", [capacity, heads * D], part(x.q, heads * D)),
    k: gpu.tensor("k", [capacity, kvHeads * D], part(x.k, kvHeads * D)),
    qkv: gpu.tensor("qkv", [capacity, (heads + 2 * kvHeads) * D], part(x.qkv, (heads + 2 * kvHeads) * D)),
    out: gpu.tensor("out", [capacity, heads * D]),
    stats: gpu.tensor("stats", [capacity, heads, 2]),
    tiles: gpu.tensor("tiles", [table.length / 4, 4], table),
  };
  await gpu.run((recorder) => attentionForward(recorder, profile, args, c), { N, T: table.length / 4 });
  const [out, stats] = [await gpu.read(args.out), await gpu.read(args.stats)];
  return { out, lse: stats.filter((_, i) => i % 2 === 0), N };
}

describe.each(Object.values(PROFILES))("attention_forward, $kind", (profile) => {
  it.each(casesFor(profile, gpu.gpu.capabilities))("matches the oracle: %s", async (_, c) => {
    const { out, lse, N } = await run(profile, c);
    const expected = reference.attentionForward(inputs(c), c);
    const width = c.heads * c.headDim;
    // Scores up to about 10 from 256 products in f32, whose error the exponential keeps: 1e-6 of each weight, and some.
    expect(maxError(out.slice(0, N * width), expected.out)).toBeLessThan(4e-6);
    expect(maxError(lse.slice(0, N * c.heads), expected.lse)).toBeLessThan(2e-6);
    expect([...out.slice(N * width)].every((value) => value === 0)).toBe(true);
  });

  it.each(profile.kind === "gpu" ? [32] : [32, 64])(
    "matches the oracle with tiles of %i",
    async (attentionTile) => {
      const c = {
        ...CASES["window 5, D = 32"],
        window: 21,
        rowLengths: [70, 3, 130],
      } as reference.AttentionCase;
      const { out, N } = await run({ ...profile, attentionTile }, c);
      const expected = reference.attentionForward(inputs(c), c);
      expect(maxError(out.slice(0, N * c.heads * c.headDim), expected.out)).toBeLessThan(4e-6); // as above
    },
  );

  it.each(["grouped, D = 8", "grouped, window 20, softcap, D = 96"])(
    "gives a row the same bits alone as packed: %s",
    async (name) => {
      const c = CASES[name] as reference.AttentionCase;
      const width = c.heads * c.headDim;
      const packed = await run(profile, c);
      const before = sum(ROWS.slice(0, 4));
      const alone = await run(profile, c, ROWS.slice(4), before);
      expect([...alone.out.slice(0, 37 * width)]).toEqual([
        ...packed.out.slice(before * width, (before + 37) * width),
      ]);
      expect([...alone.lse.slice(0, 37 * c.heads)]).toEqual([
        ...packed.lse.slice(before * c.heads, (before + 37) * c.heads),
      ]);
    },
  );

  // Whatever the adapter makes of max(NaN, x) and exp(NaN).
  it.each([
    ["grouped, D = 8", "q", Number.NaN],
    ["grouped, D = 8", "k", Number.NaN],
    ["grouped, D = 8", "q", Number.POSITIVE_INFINITY],
    ["grouped, window 20, softcap, D = 96", "k", Number.NaN],
  ] as const)(
    "hands on a score that is not a number, and to nothing before it: %s, %s, %s",
    async (name, part, bad) => {
      const c = CASES[name] as reference.AttentionCase;
      const { heads, kvHeads, headDim: D } = c;
      const width = heads * D;
      const x = inputs(c);
      const token = sum(ROWS.slice(0, 4)) + 8; // of the last row
      x[part][token * (part === "q" ? width : kvHeads * D)] = bad;
      const { out } = await run(profile, c, c.rowLengths, 0, x);
      expect(out.subarray(token * width, token * width + D).some(Number.isFinite)).toBe(false);
      expect(out.subarray(0, token * width).every(Number.isFinite)).toBe(true);
    },
  );

  it("stays finite for scores far beyond exp's range", async () => {
    const c = { ...CASES["plain"], scale: 1e4 } as reference.AttentionCase;
    const { out, N } = await run(profile, c);
    const expected = reference.attentionForward(inputs(c), c);
    // Scores of 1e5: the largest wins by far, unless f32 cannot tell the two apart.
    expect(maxError(out.slice(0, N * c.heads * c.headDim), expected.out)).toBeLessThan(0.05);
  });
});
