import { describe, expect, it } from "vitest";
import { biasBackward } from "../../../src/kernels/linear/bias_backward.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/linear.ts";
import { profileOf } from "./linear.ts";

const gpu = await testGpu();

const CASES = [
  { rows: 0, M: 4, dyColumn: 0, ldy: 4, count: "N" },
  { rows: 1, M: 1, dyColumn: 1, ldy: 3, count: "N" },
  { rows: 37, M: 17, dyColumn: 2, ldy: 21, count: "M" },
  { rows: 15, M: 32, dyColumn: 0, ldy: 32, count: "R" },
] as const;

describe("bias_backward", () => {
  const cases = (["cpu", "gpu"] as const).flatMap((kind) => CASES.map((c) => ({ kind, ...c })));
  it.each(cases)("matches the oracle, %o", async ({ kind, rows, M, dyColumn, ldy, count }) => {
    const dy = uniforms(1, (rows + 3) * ldy);
    const before = uniforms(2, M);
    const tensors = { dy: gpu.tensor("dy", [rows + 3, ldy], dy), db: gpu.tensor("db", [M], before) };
    const options = { rows: count, dyColumn };
    await gpu.run((recorder) => biasBackward(recorder, profileOf(kind), tensors, options), { [count]: rows });
    const expected = reference.biasBackward(dy, before, { rows, ldy, dyColumn });
    // At most 38 numbers up to 1, summed in f32.
    expect(maxError(await gpu.read(tensors.db), expected)).toBeLessThan(2e-6);
  });
});
