import { expect, it } from "vitest";
import { fmaRate } from "../../../src/kernels/bench/fma_rate.ts";
import { testGpu } from "../../gpu.ts";
import * as reference from "../../reference/bench.ts";

const gpu = await testGpu();
const [COUNT, ROUNDS, a, b] = [70, 3, 0.9375, 0.5] as const;

it.each([false, true])(
  "fma_rate does every multiply-add that it is credited with, fused: %s",
  async (fused) => {
    const y = gpu.tensor("y", [COUNT]);
    await gpu.run((recorder) => fmaRate(recorder, { y }, { rounds: ROUNDS, a, b, fused }));
    // 24 roundings a chain, of which each later step forgets a sixteenth.
    const expected = reference.fmaRate(COUNT, ROUNDS, a, b);
    const error = (await gpu.read(y)).map((value, i) => Math.abs(value / (expected[i] ?? 0) - 1));
    expect(Math.max(...error)).toBeLessThan(1e-6);
  },
);
