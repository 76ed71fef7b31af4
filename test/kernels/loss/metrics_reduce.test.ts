import { describe, expect, it } from "vitest";
import { metricsReduce } from "../../../src/kernels/loss/metrics_reduce.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/loss.ts";

const gpu = await testGpu();
const CAPACITY = 150;
const out = uniforms(1, CAPACITY * 4, -3, 3);
const loss = uniforms(2, CAPACITY);
const weight = uniforms(3, CAPACITY).map((v) => (v < -0.5 ? 0 : v));
const targets = Uint32Array.from(uniforms(4, CAPACITY, 0, 3));
const argmax = Uint32Array.from(uniforms(5, CAPACITY, 0, 3));

async function run(threads: number, M: number, given: { loss?: number[]; out?: number[] } = {}) {
  const args = {
    out: gpu.tensor("out", [CAPACITY, 4], given.out ?? out),
    loss: gpu.tensor("loss", [CAPACITY], given.loss ?? loss),
    weight: gpu.tensor("weight", [CAPACITY], weight),
    targets: gpu.tensor("targets", [CAPACITY], targets),
    argmax: gpu.tensor("argmax", [CAPACITY], argmax),
    metrics: gpu.tensor("metrics", [3, 32], new Array(96).fill(9)),
  };
  await gpu.run((recorder) => metricsReduce(recorder, args, { threads }), { M, micro: 1 });
  return [...(await gpu.read(args.metrics))];
}

describe.each([64, 1])("metrics_reduce, %i threads", (threads) => {
  it.each([0, 1, 64, 137])("sums %i tokens into its own slot", async (M) => {
    const tokens = Array.from({ length: M }, (_, m) => ({
      loss: loss[m] as number,
      logp: out[4 * m] as number,
      entropy: out[4 * m + 1] as number,
      correct: argmax[m] === targets[m],
      live: weight[m] !== 0,
    }));
    const metrics = await run(threads, M);
    // Sums of up to 137 numbers of size 3, which nearly cancel.
    expect(maxError(metrics.slice(32, 38), reference.metricsReduce(tokens))).toBeLessThan(2e-5);
    expect([...metrics.slice(0, 32), ...metrics.slice(38)]).toEqual(new Array(90).fill(9));
  });

  it("counts what is not finite, also in tokens that are not live", async () => {
    const dead = weight.indexOf(0);
    const live = weight.findIndex((v) => v !== 0);
    const metrics = await run(threads, 137, {
      loss: loss.with(live, Number.NaN),
      out: out.with(4 * dead + 1, Number.POSITIVE_INFINITY),
    });
    expect(metrics[37]).toBe(2);
    expect(metrics[32]).toBeNaN();
    expect(Number.isFinite(metrics[33])).toBe(true);
  });
});
