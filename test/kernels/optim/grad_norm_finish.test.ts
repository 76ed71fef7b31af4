import { describe, expect, it } from "vitest";
import { gradNormFinish } from "../../../src/kernels/optim/grad_norm_finish.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/optim.ts";

const gpu = await testGpu();

interface Given {
  readonly partials: readonly number[];
  readonly max_norm?: number;
  readonly t?: number;
  readonly metrics?: readonly number[];
  readonly betas?: readonly [number, number];
}

async function run(threads: number, { partials, max_norm = 0, t = 0, metrics, betas = [0.9, 0.999] }: Given) {
  const words = new Uint32Array(16);
  words[3] = t;
  words[6] = 5;
  const args = {
    partials: gpu.tensor("partials", [partials.length + 1], [...partials, 1e9]),
    metrics: gpu.tensor("metrics", [3, 32], metrics ?? new Array(96).fill(0)),
    state: gpu.tensor("state", [16], words),
  };
  const options = { count: partials.length, max_norm, beta1: betas[0], beta2: betas[1], threads };
  await gpu.run((recorder) => gradNormFinish(recorder, args, options), { micro: 1 });
  const state = await gpu.readUints(args.state);
  const [norm, clip, , , bias1, bias2] = new Float32Array(state.buffer);
  return { norm, clip, bias1, bias2, finite: state[2], t: state[3], skipped: state[6] };
}

describe.each([64, 1])("grad_norm_finish, %i threads", (threads) => {
  it.each([1, 64, 65, 5000])("takes the norm of %i partial sums", async (count) => {
    const partials = uniforms(3, count, 0, 2);
    const { norm } = await run(threads, { partials });
    const expected = Math.sqrt(partials.reduce((sum, v) => sum + v, 0));
    // Sums in runs of 64.
    expect(Math.abs((norm as number) / expected - 1)).toBeLessThan(1e-6);
  });

  it.each([
    [25, 1],
    [25, 10],
    [25, 0],
    [0, 1],
  ])("clips squares of %d to a norm of %d as torch does", async (square, max_norm) => {
    const { norm, clip } = await run(threads, { partials: [square], max_norm });
    // One division.
    expect(maxError([norm as number], [Math.sqrt(square)])).toBeLessThan(2e-7);
    expect(maxError([clip as number], [reference.clipCoefficient(Math.sqrt(square), max_norm)])).toBeLessThan(
      2e-7,
    );
  });

  it.each([1, 2, 7, 100, 499, 501, 100_000])("corrects the bias at step %i", async (t) => {
    for (const betas of [
      [0.9, 0.999],
      [0.95, 0.9999],
      [0, 0.5],
    ] as const) {
      const state = await run(threads, { partials: [1], t: t - 1, betas });
      expect(state.t).toBe(t);
      // Relative: 1 - beta^t is only 1e-4 at first. exp is good to a few ulp.
      expect(Math.abs((state.bias1 as number) / (1 - betas[0] ** t) - 1)).toBeLessThan(1e-6);
      expect(Math.abs((state.bias2 as number) / (1 - betas[1] ** t) - 1)).toBeLessThan(1e-6);
    }
  });

  it("counts a finite step", async () => {
    const { finite, t, skipped } = await run(threads, { partials: [1, 2], t: 4 });
    expect([finite, t, skipped]).toEqual([1, 5, 5]);
  });

  const zeros = new Array<number>(96).fill(0);
  it.each([
    ["a NaN in the partial sums", { partials: [1, Number.NaN, 2] }],
    ["an infinite partial sum", { partials: [1, Number.POSITIVE_INFINITY] }],
    ["partial sums that overflow", { partials: [3e38, 3e38] }],
    ["a NaN loss in slot 0", { partials: [1], metrics: zeros.with(0, Number.NaN) }],
    ["an infinite loss in slot 1", { partials: [1], metrics: zeros.with(32, Number.NEGATIVE_INFINITY) }],
    ["a flag in slot 1", { partials: [1], metrics: zeros.with(37, 3) }],
  ])("skips a step with %s", async (_, given) => {
    const { finite, t, skipped } = await run(threads, { ...given, t: 4 });
    expect([finite, t, skipped]).toEqual([0, 4, 6]);
  });

  it("does not look at slots of micro-batches that this step does not have", async () => {
    const { finite } = await run(threads, { partials: [1], metrics: zeros.with(64, Number.NaN) });
    expect(finite).toBe(1);
  });
});
