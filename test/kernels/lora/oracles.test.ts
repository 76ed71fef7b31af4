import { describe, expect, it } from "vitest";
import { uniforms } from "../../gpu.ts";
import * as reference from "../../reference/lora.ts";
import { CASES, type LoraCase, maskFor } from "./cases.ts";

const SCALE = 1.7;

describe("the oracles", () => {
  it("agree with finite differences, with the mask of dropout", () => {
    const test = CASES[0] as LoraCase;
    const { ldy, segments, rowsB } = test;
    const shape = { ...test.shape, N: 6 };
    const mask = maskFor(shape.N);
    const values = { x: uniforms(1, 6 * shape.ldx), a: uniforms(2, shape.ru * shape.K) };
    const b = uniforms(3, rowsB * shape.rank);
    const dy = uniforms(4, 6 * ldy);
    const forward = (x: number[], a: number[], weights: number[]) =>
      reference.loraY(reference.loraU(x, a, shape, mask), weights, shape, ldy, SCALE, segments);
    const loss = (x: number[], a: number[], weights: number[]) =>
      forward(x, a, weights).reduce((total, y, i) => total + y * (dy[i] as number), 0);
    const u = reference.loraU(values.x, values.a, shape, mask);
    const du = reference.loraBackwardU(dy, b, shape, ldy, SCALE, segments);
    const { da, db } = reference.loraBackwardAb(
      { ...values, dy, u, du },
      shape,
      ldy,
      rowsB,
      SCALE,
      segments,
      mask,
    );
    const dx = reference.loraBackwardX(du, values.a, shape, mask);
    const moved = (from: number[], i: number, by: number) => from.map((v, at) => (at === i ? v + by : v));
    // The loss is linear in each of the three, so a difference is exact but for rounding at any step.
    for (const i of [0, 41, 137, 400]) {
      const { x, a } = values;
      const slope = (low: number, high: number) => (high - low) / 0.02;
      const dAi = slope(loss(x, moved(a, i, -0.01), b), loss(x, moved(a, i, 0.01), b));
      const dBi = slope(loss(x, a, moved(b, i, -0.01)), loss(x, a, moved(b, i, 0.01)));
      const dXi = slope(loss(moved(x, i, -0.01), a, b), loss(moved(x, i, 0.01), a, b));
      expect(Math.abs(dAi - (da[i] as number))).toBeLessThan(1e-9);
      expect(Math.abs(dBi - (db[i] as number))).toBeLessThan(1e-9);
      expect(Math.abs(dXi - (dx[i] as number))).toBeLessThan(1e-9);
    }
  });
});
