import { describe, expect, it } from "vitest";
import { layernormBackward } from "../../../src/kernels/norm/layernorm_backward.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/norm.ts";

const gpu = await testGpu();

/** C is no multiple of 64, N none of 16, and the capacity is larger than the rows in use. */
const [CAPACITY, N, C] = [21, 19, 83] as const;
const x = uniforms(1, CAPACITY * C, -1, 5); // the mean is not 0
const dy = uniforms(2, CAPACITY * C);
const weight = uniforms(3, C);
const before = uniforms(4, CAPACITY * C);

interface Case {
  readonly threads: number;
  readonly rows: "N" | "M";
  readonly accumulate: boolean;
}

async function run(options: Case, count: number, input = x) {
  const args = {
    x: gpu.tensor("x", [CAPACITY, C], input),
    dy: gpu.tensor("dy", [CAPACITY, C], dy),
    stats: gpu.tensor("stats", [CAPACITY, 2], reference.layernormForward(x, weight, weight, 1e-5).stats),
    weight: gpu.tensor("weight", [C], weight),
    dx: gpu.tensor("dx", [CAPACITY, C], before),
  };
  await gpu.run((recorder) => layernormBackward(recorder, args, options), { [options.rows]: count });
  return gpu.read(args.dx);
}

const cases: Case[] = [64, 1].flatMap((threads) =>
  (["N", "M"] as const).flatMap((rows) => [false, true].map((accumulate) => ({ threads, rows, accumulate }))),
);

describe("layernorm_backward", () => {
  it.each(cases)("matches the oracle, %o", async (variant) => {
    const actual = await run(variant, N);
    const { dx } = reference.layernormBackward(x, dy, weight, 1e-5);
    const expected = dx.map((v, i) => v + (variant.accumulate ? (before[i] as number) : 0));
    // 83 products summed in f32: a few units in the last place.
    expect(maxError(actual.slice(0, N * C), expected.slice(0, N * C))).toBeLessThan(2e-6);
    expect([...actual.slice(N * C)]).toEqual(before.slice(N * C));
  });

  it.each([64, 1])("gives a row the same bits whatever the number of rows, %i threads", async (threads) => {
    const variant: Case = { threads, rows: "N", accumulate: false };
    const all = await run(variant, CAPACITY);
    const one = await run(variant, 1);
    expect([...one.slice(0, C)]).toEqual([...all.slice(0, C)]);
  });

  it("shows a NaN in its row and in no other", async () => {
    const actual = await run({ threads: 64, rows: "N", accumulate: false }, N, x.with(C + 5, Number.NaN));
    expect([...actual.slice(C, 2 * C)].every(Number.isNaN)).toBe(true);
    expect([...actual.slice(0, C), ...actual.slice(2 * C)].some(Number.isNaN)).toBe(false);
  });
});
