import { describe, expect, it } from "vitest";
import { rmsnormForward, rmsnormForwardKernel } from "../../../src/kernels/norm/rmsnorm_forward.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/norm.ts";

const gpu = await testGpu();

/** C is no multiple of 64, N none of 16, and the capacity is larger than the rows in use. */
const [CAPACITY, N, C] = [21, 19, 83] as const;
const x = uniforms(1, CAPACITY * C, -3, 3);
const weight = uniforms(2, C);

async function run(threads: number, offset: number, rows: "N" | "M", count: number, input = x) {
  const args = {
    x: gpu.tensor("x", [CAPACITY, C], input),
    y: gpu.tensor("y", [CAPACITY, C]),
    rstd: gpu.tensor("rstd", [CAPACITY]),
    weight: gpu.tensor("weight", [C], weight),
  };
  await gpu.run((recorder) => rmsnormForward(recorder, args, { eps: 1e-6, offset, rows, threads }), {
    [rows]: count,
  });
  return { y: await gpu.read(args.y), rstd: await gpu.read(args.rstd) };
}

describe("rmsnorm_forward", () => {
  const cases = rmsnormForwardKernel.consts["THREADS"]?.flatMap((threads) =>
    (["N", "M"] as const).flatMap((rows) => [0, 1].map((offset) => ({ threads, rows, offset }))),
  );
  it.each(cases ?? [])("matches the oracle, %o", async ({ threads, rows, offset }) => {
    const actual = await run(threads, offset, rows, N);
    const expected = reference.rmsnormForward(x.slice(0, N * C), weight, 1e-6, offset);
    // 83 products summed in f32: a few units in the last place.
    expect(maxError(actual.y.slice(0, N * C), expected.y)).toBeLessThan(2e-6);
    expect(maxError(actual.rstd.slice(0, N), expected.rstd)).toBeLessThan(1e-6);
    expect([...actual.y.slice(N * C)].every((value) => value === 0)).toBe(true);
  });

  it("gives a row the same bits whatever the number of rows", async () => {
    const all = await run(64, 0, "N", CAPACITY);
    const one = await run(64, 0, "N", 1);
    expect([...one.y.slice(0, C)]).toEqual([...all.y.slice(0, C)]);
  });

  it.each([64, 1])("shows a NaN in its row and in no other, %i threads", async (threads) => {
    const { y } = await run(threads, 0, "N", N, x.with(C + 5, Number.NaN));
    expect([...y.slice(C, 2 * C)].every(Number.isNaN)).toBe(true);
    expect([...y.slice(0, C), ...y.slice(2 * C)].some(Number.isNaN)).toBe(false);
  });
});
