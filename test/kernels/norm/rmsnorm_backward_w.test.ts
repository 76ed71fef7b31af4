import { describe, expect, it } from "vitest";
import { rmsnormBackwardW } from "../../../src/kernels/norm/rmsnorm_backward_w.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/norm.ts";

const gpu = await testGpu();

/** C is no multiple of 64, N no multiple of the block of 32 rows, and the capacity is larger than the rows in use. */
const [CAPACITY, N, C] = [51, 45, 83] as const;
const x = uniforms(1, CAPACITY * C, -3, 3);
const dy = uniforms(2, CAPACITY * C);
const weight = uniforms(3, C);
const before = uniforms(4, C);

async function run(rows: "N" | "M", input = x) {
  const args = {
    x: gpu.tensor("x", [CAPACITY, C], input),
    dy: gpu.tensor("dy", [CAPACITY, C], dy),
    rstd: gpu.tensor("rstd", [CAPACITY], reference.rmsnormForward(x, weight, 1e-5, 0).rstd),
    dw: gpu.tensor("dw", [C], before),
  };
  await gpu.run((recorder) => rmsnormBackwardW(recorder, args, { rows }), { [rows]: N });
  return gpu.read(args.dw);
}

describe("rmsnorm_backward_w", () => {
  it.each(["N", "M"] as const)("adds the oracle's gradient, rows counted by %s", async (rows) => {
    const { dw } = reference.rmsnormBackward(x.slice(0, N * C), dy.slice(0, N * C), weight, 1e-5, 0);
    // 45 products of size 1 summed in f32.
    expect(
      maxError(
        await run(rows),
        dw.map((v, c) => v + (before[c] as number)),
      ),
    ).toBeLessThan(2e-6);
  });

  it("shows a NaN", async () => {
    const dw = await run("N", x.with(3 * C + 7, Number.NaN));
    expect([...dw].findIndex(Number.isNaN)).toBe(7);
  });
});
