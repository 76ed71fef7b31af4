import { describe, expect, it } from "vitest";
import { linearBackwardW } from "../../../src/kernels/linear/linear_backward_w.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/linear.ts";
import { profileOf } from "./linear.ts";

const gpu = await testGpu();

/** Sizes around the tiles of both variants, with and without 4 elements in a vector. */
const CASES = [
  { rows: 0, M: 4, K: 4, count: "N" },
  { rows: 1, M: 1, K: 1, count: "N" },
  { rows: 17, M: 33, K: 31, dyColumn: 3, xColumn: 1, extra: 2, count: "M" },
  { rows: 15, M: 68, K: 60, dyColumn: 4, xColumn: 8, extra: 4, count: "R" },
  { rows: 33, M: 64, K: 132, extra: 4, count: "N" },
] as const;

export function describeBackwardW(kind: "cpu" | "gpu") {
  describe(`linear_backward_w, ${kind}`, () => {
    it.each(CASES)("matches the oracle, %o", async ({ rows, M, K, count, ...place }) => {
      const {
        dyColumn = 0,
        xColumn = 0,
        extra = 0,
      } = place as Partial<Record<"dyColumn" | "xColumn" | "extra", number>>;
      const capacity = rows + 3;
      const ldx = xColumn + K + extra;
      const ldy = dyColumn + M + extra;
      const [x, dy, before] = [
        uniforms(1, capacity * ldx),
        uniforms(2, capacity * ldy),
        uniforms(3, M * K),
      ] as const;
      const tensors = {
        x: gpu.tensor("x", [capacity, ldx], x),
        dy: gpu.tensor("dy", [capacity, ldy], dy),
        dw: gpu.tensor("dw", [M, K], before),
      };
      const options = { rows: count, dyColumn, xColumn };
      await gpu.run((recorder) => linearBackwardW(recorder, profileOf(kind), tensors, options), {
        [count]: rows,
      });
      const expected = reference.linearBackwardW({ rows, x, ldx, xColumn, dy, ldy, dyColumn, before, M, K });
      // At most 33 products of numbers up to 1, summed in f32.
      expect(maxError(await gpu.read(tensors.dw), expected)).toBeLessThan(5e-6);
    });
  });
}
