import { describe, expect, it } from "vitest";
import { linearNn } from "../../../src/kernels/linear/linear_nn.ts";
import { linearNt } from "../../../src/kernels/linear/linear_nt.ts";
import * as reference from "../../reference/linear.ts";
import { runCase, type Setting } from "./linear.ts";

const SEGMENTS = [
  { begin: 4, end: 20, u: 0, row: 0 },
  { begin: 23, end: 33, u: 5, row: 16 },
  { begin: 33, end: 41, u: 10, row: 26 },
];

/** Sizes around the tiles of both variants, with and without whole vectors. */
const SIZES = {
  nt: [
    { rows: 1, M: 1, K: 1 },
    { rows: 31, M: 33, K: 7, first: 3, xColumn: 1, yColumn: 2, extra: 3 },
    { rows: 33, M: 31, K: 36, first: 12, xColumn: 4, yColumn: 3, extra: 4 },
    { rows: 65, M: 63, K: 40, first: 8, yColumn: 5, extra: 4 },
    { rows: 63, M: 68, K: 20, xColumn: 8, extra: 4 },
  ],
  nn: [
    { rows: 1, M: 1, K: 1 },
    { rows: 31, M: 7, K: 33, first: 3, xColumn: 1, yColumn: 2, extra: 3 },
    { rows: 33, M: 36, K: 32, first: 12, xColumn: 4, yColumn: 3, extra: 4 },
    { rows: 65, M: 40, K: 60, first: 8, yColumn: 5, extra: 4 },
    { rows: 63, M: 20, K: 68, xColumn: 8, extra: 4 },
  ],
} as const;

/** Every format and every kind of low-rank term, in few variants: a CPU adapter compiles each for a second or more. */
const VARIANTS = [
  { format: "f32", bias: true, residual: true },
  { format: "bf16", accumulate: true, lora: { rank: 5, segments: SEGMENTS } },
  {
    format: "f16",
    bias: true,
    rate: 0.3,
    lora: { rank: 20, segments: SEGMENTS.slice(0, 1), ranksPerSegment: 10 },
  },
  { format: "nf4" },
] as const;

function run(layout: "nt" | "nn", setting: Setting) {
  return layout === "nt"
    ? runCase(linearNt, reference.linearNt, true, setting)
    : runCase(linearNn, reference.linearNn, false, setting);
}

/** All tests of one of the four shaders: "gpu" has the tiled ones where the shape allows it, else the plain ones. */
export function describeLinear(layout: "nt" | "nn", kind: "cpu" | "gpu") {
  describe(`linear_${layout}, ${kind}`, () => {
    const cases: readonly Setting[] = VARIANTS.flatMap((variant) =>
      SIZES[layout].map((size) => ({ kind, ...variant, ...size })),
    );
    it.each(cases)("matches the oracle, %o", async (setting) => {
      const { error, untouched } = await run(layout, setting);
      // At most 60 products of numbers up to 1 (nf4: 1.7), summed in f32: 60 * 2^-24 * 4 at worst.
      expect(error).toBeLessThan(1.5e-5);
      expect(untouched).toBe(true);
    });

    it.each(["M", "R"] as const)("follows the count of %s", async (count) => {
      const setting = { kind, count, rows: 9, M: 12, K: 8, spare: 70 };
      const { error, untouched } = await run(layout, setting);
      expect(error).toBeLessThan(1e-6);
      expect(untouched).toBe(true);
    });

    it("does nothing for no rows", async () => {
      const { untouched } = await run(layout, { kind, rows: 0, M: 12, K: 8 });
      expect(untouched).toBe(true);
    });

    it("gives a row the same bits whatever the number of rows", async () => {
      const setting = { kind, format: "bf16", M: 40, K: 64, lora: { rank: 5, segments: SEGMENTS } } as const;
      const many = await run(layout, { ...setting, rows: 70 });
      const one = await run(layout, { ...setting, rows: 1 });
      expect([...one.result]).toEqual([...many.result.slice(0, one.outputs)]);
    });
  });
}
