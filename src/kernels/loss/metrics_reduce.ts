import source from "../../../shaders/loss/metrics_reduce.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const metricsReduceKernel = defineKernel({
  name: "metrics_reduce",
  source,
  reads: ["targets", "weight"],
  writes: ["out", "loss", "argmax", "metrics"],
  step: true,
  consts: { THREADS: [64, 1] },
});

/** The fields of one slot of metrics (slots, 8), in order. The flag `nonFinite` counts tokens, live or not. */
export const METRIC_FIELDS = ["loss", "entropy", "correct", "live", "logp", "nonFinite"] as const;

/**
 * Records the sums of this micro-batch into slot `step.micro` of metrics, also where M is 0.
 * Math and shapes: shaders/loss/metrics_reduce.wgsl.
 */
export function metricsReduce(
  recorder: Recorder,
  args: Record<"out" | "loss" | "argmax" | "targets" | "weight" | "metrics", Tensor>,
  { threads = 64 }: { readonly threads?: number } = {},
): void {
  const [capacity = 0] = args.out.shape;
  expectShape("metrics_reduce", args.out, [capacity, 4]);
  for (const tensor of [args.loss, args.argmax, args.targets, args.weight]) {
    expectShape("metrics_reduce", tensor, [capacity]);
  }
  expectShape("metrics_reduce", args.metrics, [args.metrics.shape[0] ?? 0, 8]);
  recorder.run(metricsReduceKernel, args, {}, () => [1], { consts: { THREADS: threads } });
}
