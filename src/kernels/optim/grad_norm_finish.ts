import source from "../../../shaders/optim/grad_norm_finish.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { METRIC_SLOT } from "../loss/metrics_reduce.ts";

export const gradNormFinishKernel = defineKernel({
  name: "grad_norm_finish",
  source,
  reads: [],
  writes: ["partials", "metrics", "state"],
  params: { count: "u32", max_norm: "f32", logBeta1: "f32", logBeta2: "f32" },
  step: true,
  consts: { THREADS: [64, 1] },
});

/** The words of the optimizer's state (16), in order; part of a checkpoint for its `t` and `skipped`. */
export const OPTIM_STATE = {
  norm: "f32",
  clip: "f32",
  finite: "u32",
  t: "u32",
  bias1: "f32",
  bias2: "f32",
  skipped: "u32",
} as const;

export interface GradNormFinishOptions {
  /** Partial sums of all shards. */
  readonly count: number;
  /** 0 turns clipping off. */
  readonly max_norm: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly threads: number;
}

/**
 * Records norm, clip coefficient, finiteness and bias corrections into state (16 words). Run with `step.micro` the last
 * micro-batch of the optimizer step: slots 0 to micro of metrics must be finite too. Math: shaders/optim/grad_norm_finish.wgsl.
 */
export function gradNormFinish(
  recorder: Recorder,
  args: Record<"partials" | "metrics" | "state", Tensor>,
  { count, max_norm, beta1, beta2, threads }: GradNormFinishOptions,
): void {
  expectShape("grad_norm_finish", args.state, [16]);
  expectShape("grad_norm_finish", args.metrics, [args.metrics.shape[0] ?? 0, METRIC_SLOT]);
  recorder.run(
    gradNormFinishKernel,
    args,
    { count, max_norm, logBeta1: logBeta(beta1), logBeta2: logBeta(beta2) },
    () => [1],
    { consts: { THREADS: threads } },
  );
}

/** log(beta), finite also for beta 0, where 1 - beta^t is 1. */
function logBeta(beta: number): number {
  return Math.max(Math.log(beta), -100);
}
