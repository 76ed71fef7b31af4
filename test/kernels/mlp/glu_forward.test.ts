import { describe, expect, it } from "vitest";
import { gluForward } from "../../../src/kernels/mlp/glu_forward.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/mlp.ts";

const gpu = await testGpu();

/** N * F is no multiple of 256, and the capacity is larger than the rows in use. */
const [CAPACITY, N, F] = [9, 7, 83] as const;
// The first values are far outside: their exponentials overflow if taken plainly.
const gateUp = [1e4, -1e4, 200, -200, 1e-4, -1e-4, 0, ...uniforms(1, CAPACITY * 2 * F, -9, 9).slice(7)];

async function run(act: reference.Act, input: readonly number[]) {
  const args = { gateUp: gpu.tensor("gateUp", [CAPACITY, 2 * F], input), h: gpu.tensor("h", [CAPACITY, F]) };
  await gpu.run((recorder) => gluForward(recorder, args, { act }), { N });
  return gpu.read(args.h);
}

describe.each(["silu", "gelu_tanh"] as const)("glu_forward, %s", (act) => {
  it("matches the oracle", async () => {
    const actual = await run(act, gateUp);
    const expected = reference.gluForward(gateUp, F, act);
    // exp of up to 18 in f32 is good to a few 1e-6 of its value.
    expect(maxError(actual.slice(0, N * F), expected.slice(0, N * F))).toBeLessThan(4e-6);
    expect([...actual.slice(N * F)].every((value) => value === 0)).toBe(true);
  });

  it("shows a NaN", async () => {
    const actual = await run(act, gateUp.with(2 * F + 5, Number.NaN));
    expect([...actual].map((v, i) => (Number.isNaN(v) ? i : -1)).filter((i) => i >= 0)).toEqual([F + 5]);
  });
});
