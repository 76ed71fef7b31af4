import { describe, expect, it } from "vitest";
import { linearNn } from "../../../src/kernels/linear/linear_nn.ts";
import { maxError, relativeError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/linear.ts";
import { type Act, gluBackward, gluForward } from "../../reference/mlp.ts";
import { profileOf } from "./linear.ts";

const gpu = await testGpu();

const [ROWS, M, F, RANK] = [37, 12, 68, 4] as const;
const CAPACITY = ROWS + 2;
// The first values are far outside: their exponentials and squares overflow if taken plainly.
const GATE_UP = [1e4, -1e4, 1e20, -1e20, 1e-4, -1e-4, 0, ...uniforms(1, CAPACITY * 2 * F, -9, 9).slice(7)];
const dy = uniforms(2, CAPACITY * M);
const weight = uniforms(3, M * F);
const u = uniforms(4, CAPACITY * RANK);
const a = uniforms(5, RANK * F);
const term = {
  ...{ columnStride: 1, rankStride: F, rank: RANK, scale: 1 },
  segments: [{ begin: 0, end: F, u: 0, row: 0 }],
};

async function run(kind: "cpu" | "gpu", act: Act, gateUp: readonly number[]) {
  const tensor = gpu.tensor("weight", [M, F], weight);
  const args = {
    x: gpu.tensor("dy", [CAPACITY, M], dy),
    y: gpu.tensor("dGateUp", [CAPACITY, 2 * F]),
    weight: { tensor, format: "f32", rows: M, cols: F, first: 0 } as const,
    lora: { ...term, u: gpu.tensor("u", [CAPACITY, RANK], u), matrix: gpu.tensor("a", [RANK, F], a) },
    glu: { gateUp: gpu.tensor("gateUp", [CAPACITY, 2 * F], gateUp), act },
  };
  await gpu.run((recorder) => linearNn(recorder, profileOf(kind), args, { rows: "N" }), { N: ROWS });
  return gpu.read(args.y);
}

/** The gradient of h = act(gate) * up is the product, which then goes through the gated unit's own oracle. */
function oracle(act: Act): Float64Array {
  const dh = reference.linearNn({
    ...{
      rows: ROWS,
      x: dy,
      ldx: M,
      xColumn: 0,
      weight: Float64Array.from(weight),
      M,
      K: F,
      ldy: F,
      yColumn: 0,
    },
    lora: { ...term, u, ldu: RANK, matrix: a },
  });
  return gluBackward(GATE_UP.slice(0, ROWS * 2 * F), [...dh], F, act);
}

describe.each(["cpu", "gpu"] as const)("linear_nn behind a gated unit, %s", (kind) => {
  describe.each(["silu", "gelu_tanh"] as const)("%s", (act) => {
    it("matches the oracles of both, and leaves other rows alone", async () => {
      const actual = await run(kind, act, GATE_UP);
      // Sums of 16 products, then exp of up to 18 in f32, good to a few 1e-6 of its value, and 1 - s or 1 + t cancels.
      expect(maxError(actual.slice(0, ROWS * 2 * F), oracle(act))).toBeLessThan(2e-5);
      expect([...actual.slice(ROWS * 2 * F)].every((value) => value === 0)).toBe(true);
    });

    it("shows a NaN of the gate", async () => {
      const actual = await run(kind, act, GATE_UP.with(2 * F + 5, Number.NaN));
      expect([...actual].flatMap((v, i) => (Number.isNaN(v) ? [i] : []))).toEqual([2 * F + 5, 3 * F + 5]);
    });
  });
});

it.each(["silu", "gelu_tanh"] as const)(
  "the oracle's gradient is that of the forward oracle by differences, %s",
  (act) => {
    const point = GATE_UP.slice(2 * F, 4 * F);
    const g = uniforms(6, F);
    const loss = (at: readonly number[]) =>
      gluForward(at, F, act).reduce((sum, h, f) => sum + h * (g[f] as number), 0);
    const numeric = point.map(
      (v, i) => (loss(point.with(i, v + 1e-5)) - loss(point.with(i, v - 1e-5))) / 2e-5,
    );
    // Central differences with step 1e-5 in f64: 1e-10 of truncation, 1e-9 of rounding.
    expect(relativeError(gluBackward(point, g, F, act), numeric)).toBeLessThan(1e-8);
  },
);

it("does not add a bias, which the gradient of an input never has", async () => {
  await expect(() =>
    gpu.run((recorder) => {
      const y = recorder.alloc("y", [3, 8]);
      const tensor = gpu.tensor("weight", [4, 4]);
      const args = {
        ...{ x: recorder.alloc("x", [3, 4]), y, bias: gpu.tensor("bias", [4]) },
        weight: { tensor, format: "f32", rows: 4, cols: 4, first: 0 } as const,
        glu: { gateUp: recorder.alloc("gateUp", [3, 8]), act: "silu" } as const,
      };
      linearNn(recorder, profileOf("cpu"), args, { rows: "N" });
    }),
  ).rejects.toThrow("the product alone");
});
