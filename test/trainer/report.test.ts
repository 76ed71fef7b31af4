import { expect, it } from "vitest";
import { metricFields } from "../../src/kernels/loss/metrics_reduce.ts";
import { ReportBuffer } from "../../src/trainer/report.ts";
import { testGpu } from "../gpu.ts";

const { gpu } = await testGpu();

it("names the floats of each slot, common ones first, and leaves out those without a name", async () => {
  const report = new ReportBuffer(gpu, 3, metricFields(["kl", "rows"]));
  gpu.upload(
    report.metrics,
    Float32Array.from({ length: 96 }, (_, i) => i),
  );
  const encoder = gpu.device.createCommandEncoder();
  const copy = report.copy(encoder, [1, 1]);
  gpu.device.queue.submit([encoder.finish()]);
  const { micros } = await copy.read();
  expect(micros).toEqual([
    { loss: 0, entropy: 1, correct: 2, live: 3, logp: 4, nonFinite: 5, kl: 8, rows: 9 },
    { loss: 32, entropy: 33, correct: 34, live: 35, logp: 36, nonFinite: 37, kl: 40, rows: 41 },
  ]);
});

it("refuses more fields than a slot holds", () => {
  expect(metricFields(new Array<string>(24).fill("x"))).toHaveLength(32);
  expect(() => metricFields(new Array<string>(25).fill("x"))).toThrow(/do not fit/);
});
