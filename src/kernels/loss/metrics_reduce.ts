import source from "../../../shaders/loss/metrics_reduce.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";

export const metricsReduceKernel = defineKernel({
  name: "metrics_reduce",
  source,
  reads: ["targets", "weight"],
  writes: ["out", "loss", "argmax", "metrics"],
  step: true,
  consts: { THREADS: [64, 1] },
});

/** Floats of one micro-batch's slot of metrics (slots, METRIC_SLOT). */
export const METRIC_SLOT = 32;

/** The first fields of every slot, in order, whatever the loss. `nonFinite` counts tokens, live or not. */
export const METRIC_FIELDS = ["loss", "entropy", "correct", "live", "logp", "nonFinite"] as const;

/** Where a loss's own fields begin. */
const OWN_FIELDS = 8;

/** All names of a slot by their index: the common fields, then a loss's own. An empty name is an unused float. */
export function metricFields(own: readonly string[]): readonly string[] {
  invariant(OWN_FIELDS + own.length <= METRIC_SLOT, `${own.length} fields do not fit in a slot of metrics`);
  const unused = new Array<string>(OWN_FIELDS - METRIC_FIELDS.length).fill("");
  return [...METRIC_FIELDS, ...unused, ...own];
}

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
  expectShape("metrics_reduce", args.metrics, [args.metrics.shape[0] ?? 0, METRIC_SLOT]);
  recorder.run(metricsReduceKernel, args, {}, () => [1], { consts: { THREADS: threads } });
}
