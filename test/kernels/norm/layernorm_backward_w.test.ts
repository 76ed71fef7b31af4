import { describe, expect, it } from "vitest";
import { layernormBackwardW } from "../../../src/kernels/norm/layernorm_backward_w.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/norm.ts";

const gpu = await testGpu();

/** C is no multiple of 64, N no multiple of the block of 32 rows, and the capacity is larger than the rows in use. */
const [CAPACITY, N, C] = [51, 45, 83] as const;
const x = uniforms(1, CAPACITY * C, -1, 5);
const dy = uniforms(2, CAPACITY * C);
const weight = uniforms(3, C);
const before = uniforms(4, C);

async function run(rows: "N" | "M", input = dy) {
  const args = {
    x: gpu.tensor("x", [CAPACITY, C], x),
    dy: gpu.tensor("dy", [CAPACITY, C], input),
    stats: gpu.tensor("stats", [CAPACITY, 2], reference.layernormForward(x, weight, weight, 1e-5).stats),
    dw: gpu.tensor("dw", [C], before),
    db: gpu.tensor("db", [C], before),
  };
  await gpu.run((recorder) => layernormBackwardW(recorder, args, { rows }), { [rows]: N });
  return { dw: await gpu.read(args.dw), db: await gpu.read(args.db) };
}

describe("layernorm_backward_w", () => {
  it.each(["N", "M"] as const)("adds the oracle's gradients, rows counted by %s", async (rows) => {
    const actual = await run(rows);
    const expected = reference.layernormBackward(x.slice(0, N * C), dy.slice(0, N * C), weight, 1e-5);
    const plus = (d: Float64Array) => d.map((v, c) => v + (before[c] as number));
    // 45 products of size 1 summed in f32.
    expect(maxError(actual.dw, plus(expected.dw))).toBeLessThan(2e-6);
    expect(maxError(actual.db, plus(expected.db))).toBeLessThan(2e-6);
  });

  it("shows a NaN", async () => {
    const { dw, db } = await run("N", dy.with(3 * C + 7, Number.NaN));
    expect([...dw].findIndex(Number.isNaN)).toBe(7);
    expect([...db].findIndex(Number.isNaN)).toBe(7);
  });
});
