import { describe, expect, it } from "vitest";
import { gradNorm, gradNormPartials } from "../../../src/kernels/optim/grad_norm.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/optim.ts";

const gpu = await testGpu();
const BLOCK = 4096;

describe.each([64, 1])("grad_norm, %i threads", (threads) => {
  it.each([1, 63, BLOCK, BLOCK + 1, 3 * BLOCK - 5])("sums the squares of %i elements", async (count) => {
    const grads = uniforms(1, count + 3); // beyond the count nothing is read
    const args = {
      grads: gpu.tensor("grads", [count + 3], grads),
      partials: gpu.tensor("partials", [8], new Array(8).fill(-1)),
    };
    const n = gradNormPartials(count);
    await gpu.run((recorder) => gradNorm(recorder, args, { count, first: 2, threads }));
    const expected = Array.from({ length: n }, (_, b) => {
      return reference.gradNorm(grads.slice(b * BLOCK, Math.min((b + 1) * BLOCK, count))) ** 2;
    });
    // 4096 squares in runs of 64: far below the 64 ulp of a plain sum.
    const actual = [...(await gpu.read(args.partials))];
    expect(maxError(actual.slice(2, 2 + n), expected)).toBeLessThan(1e-6);
    expect(actual.with(2, -1).with(3, -1).with(4, -1)).toEqual(new Array(8).fill(-1));
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 3e19])("shows %d in its block only", async (value) => {
    const args = {
      grads: gpu.tensor("grads", [2 * BLOCK], uniforms(1, 2 * BLOCK).with(BLOCK + 7, value)),
      partials: gpu.tensor("partials", [2]),
    };
    await gpu.run((recorder) => gradNorm(recorder, args, { count: 2 * BLOCK, first: 0, threads }));
    const actual = await gpu.read(args.partials);
    expect(Number.isFinite(actual[0])).toBe(true);
    expect(Number.isFinite(actual[1])).toBe(false);
  });
});
