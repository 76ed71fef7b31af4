import { expect, it } from "vitest";
import { geluBackward } from "../../../src/kernels/mlp/gelu_backward.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/mlp.ts";

const gpu = await testGpu();

/** N * C is no multiple of 256, and the capacity is larger than the rows in use. */
const [CAPACITY, N, C] = [9, 7, 83] as const;
const x = [1e4, -1e4, 1e20, -1e20, 1e-4, -1e-4, 0, ...uniforms(1, CAPACITY * C, -9, 9).slice(7)];
const dy = uniforms(2, CAPACITY * C);

async function run(input: readonly number[]) {
  const args = {
    x: gpu.tensor("x", [CAPACITY, C], input),
    dy: gpu.tensor("dy", [CAPACITY, C], dy),
    dx: gpu.tensor("dx", [CAPACITY, C]),
  };
  await gpu.run((recorder) => geluBackward(recorder, args), { N });
  return gpu.read(args.dx);
}

it("gelu_backward matches the oracle", async () => {
  const actual = await run(x);
  const expected = reference.geluBackward(x, dy);
  // exp of up to 18 in f32 is good to a few 1e-6 of its value, and 1 + t cancels.
  expect(maxError(actual.slice(0, N * C), expected.slice(0, N * C))).toBeLessThan(4e-6);
  expect([...actual.slice(N * C)].every((value) => value === 0)).toBe(true);
});

it("gelu_backward shows a NaN", async () => {
  const actual = await run(x.with(C + 5, Number.NaN));
  expect([...actual].map((v, i) => (Number.isNaN(v) ? i : -1)).filter((i) => i >= 0)).toEqual([C + 5]);
});
