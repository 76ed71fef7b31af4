import { describe, expect, it } from "vitest";
import { layernormForward } from "../../../src/kernels/norm/layernorm_forward.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/norm.ts";

const gpu = await testGpu();

/** C is no multiple of 64, N none of 16, and the capacity is larger than the rows in use. */
const [CAPACITY, N, C] = [21, 19, 83] as const;
const x = uniforms(1, CAPACITY * C, -1, 5); // the mean is not 0
const weight = uniforms(2, C);
const bias = uniforms(3, C);

async function run(threads: number, rows: "N" | "M", count: number, input = x) {
  const args = {
    x: gpu.tensor("x", [CAPACITY, C], input),
    y: gpu.tensor("y", [CAPACITY, C]),
    stats: gpu.tensor("stats", [CAPACITY, 2]),
    weight: gpu.tensor("weight", [C], weight),
    bias: gpu.tensor("bias", [C], bias),
  };
  await gpu.run((recorder) => layernormForward(recorder, args, { eps: 1e-5, rows, threads }), {
    [rows]: count,
  });
  return { y: await gpu.read(args.y), stats: await gpu.read(args.stats) };
}

describe("layernorm_forward", () => {
  const cases = [64, 1].flatMap((threads) => (["N", "M"] as const).map((rows) => ({ threads, rows })));
  it.each(cases)("matches the oracle, %o", async ({ threads, rows }) => {
    const actual = await run(threads, rows, N);
    const expected = reference.layernormForward(x.slice(0, N * C), weight, bias, 1e-5);
    // 83 terms summed in f32: a few units in the last place.
    expect(maxError(actual.y.slice(0, N * C), expected.y)).toBeLessThan(2e-6);
    expect(maxError(actual.stats.slice(0, 2 * N), expected.stats)).toBeLessThan(1e-6);
    expect([...actual.y.slice(N * C)].every((value) => value === 0)).toBe(true);
  });

  it.each([64, 1])("gives a row the same bits whatever the number of rows, %i threads", async (threads) => {
    const all = await run(threads, "N", CAPACITY);
    const one = await run(threads, "N", 1);
    expect([...one.y.slice(0, C)]).toEqual([...all.y.slice(0, C)]);
  });

  it("shows a NaN in its row and in no other", async () => {
    const { y } = await run(64, "N", N, x.with(C + 5, Number.NaN));
    expect([...y.slice(C, 2 * C)].every(Number.isNaN)).toBe(true);
    expect([...y.slice(0, C), ...y.slice(2 * C)].some(Number.isNaN)).toBe(false);
  });
});
