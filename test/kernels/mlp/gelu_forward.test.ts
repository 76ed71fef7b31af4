import { expect, it } from "vitest";
import { geluForward } from "../../../src/kernels/mlp/gelu_forward.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/mlp.ts";

const gpu = await testGpu();

/** N * C is no multiple of 256, and the capacity is larger than the rows in use. */
const [CAPACITY, N, C] = [9, 7, 83] as const;
const x = [1e4, -1e4, 1e20, -1e20, 1e-4, -1e-4, 0, ...uniforms(1, CAPACITY * C, -9, 9).slice(7)];

async function run(input: readonly number[]) {
  const args = { x: gpu.tensor("x", [CAPACITY, C], input), y: gpu.tensor("y", [CAPACITY, C]) };
  await gpu.run((recorder) => geluForward(recorder, args), { N });
  return gpu.read(args.y);
}

it("gelu_forward matches the oracle", async () => {
  const actual = await run(x);
  // exp of up to 18 in f32 is good to a few 1e-6 of its value.
  expect(maxError(actual.slice(0, N * C), reference.geluForward(x).slice(0, N * C))).toBeLessThan(4e-6);
  expect([...actual.slice(N * C)].every((value) => value === 0)).toBe(true);
});

it("gelu_forward shows a NaN", async () => {
  const actual = await run(x.with(C + 5, Number.NaN));
  expect([...actual].map((v, i) => (Number.isNaN(v) ? i : -1)).filter((i) => i >= 0)).toEqual([C + 5]);
});
