import { describe, expect, it } from "vitest";
import { gluBackward } from "../../../src/kernels/mlp/glu_backward.ts";
import { maxError, relativeError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/mlp.ts";

const gpu = await testGpu();

/** N * F is no multiple of 256, and the capacity is larger than the rows in use. */
const [CAPACITY, N, F] = [9, 7, 83] as const;
// The first values are far outside: their exponentials and squares overflow if taken plainly.
const gateUp = [1e4, -1e4, 1e20, -1e20, 1e-4, -1e-4, 0, ...uniforms(1, CAPACITY * 2 * F, -9, 9).slice(7)];
const dh = uniforms(2, CAPACITY * F);

async function run(act: reference.Act, input: readonly number[]) {
  const args = {
    gateUp: gpu.tensor("gateUp", [CAPACITY, 2 * F], input),
    dh: gpu.tensor("dh", [CAPACITY, F], dh),
    dGateUp: gpu.tensor("dGateUp", [CAPACITY, 2 * F]),
  };
  await gpu.run((recorder) => gluBackward(recorder, args, { act }), { N });
  return gpu.read(args.dGateUp);
}

describe.each(["silu", "gelu_tanh"] as const)("glu_backward, %s", (act) => {
  it("matches the oracle", async () => {
    const actual = await run(act, gateUp);
    const expected = reference.gluBackward(gateUp, dh, F, act);
    // exp of up to 18 in f32 is good to a few 1e-6 of its value, and 1 - s or 1 + t cancels.
    expect(maxError(actual.slice(0, N * 2 * F), expected.slice(0, N * 2 * F))).toBeLessThan(1e-5);
    expect([...actual.slice(N * 2 * F)].every((value) => value === 0)).toBe(true);
  });

  it("has the oracle's gradient, which is that of the forward oracle by differences", () => {
    const point = gateUp.slice(2 * F, 4 * F);
    const g = dh.slice(F, 2 * F);
    const loss = (at: readonly number[]) =>
      reference.gluForward(at, F, act).reduce((sum, h, f) => sum + h * (g[f] as number), 0);
    const numeric = point.map(
      (v, i) => (loss(point.with(i, v + 1e-5)) - loss(point.with(i, v - 1e-5))) / 2e-5,
    );
    // Central differences with step 1e-5 in f64: 1e-10 of truncation, 1e-9 of rounding.
    expect(relativeError(reference.gluBackward(point, g, F, act), numeric)).toBeLessThan(1e-8);
  });

  it("shows a NaN", async () => {
    const actual = await run(act, gateUp.with(2 * F + 5, Number.NaN));
    expect([...actual].map((v, i) => (Number.isNaN(v) ? i : -1)).filter((i) => i >= 0)).toEqual([
      2 * F + 5,
      3 * F + 5,
    ]);
  });
});
