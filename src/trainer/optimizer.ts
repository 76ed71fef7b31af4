import type { Gpu } from "../gpu/device.ts";
import type { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { adamw } from "../kernels/optim/adamw.ts";
import { gradNorm, gradNormPartials } from "../kernels/optim/grad_norm.ts";
import { gradNormFinish } from "../kernels/optim/grad_norm_finish.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import type { ParamPool } from "../model/param_pool.ts";

export interface OptimizerSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** 0 turns clipping off. */
  readonly maxGradNorm: number;
}

export interface Moments {
  readonly m: Tensor;
  readonly v: Tensor;
}

/** First and second moments beside each shard of the pool. */
export function createMoments(gpu: Gpu, pool: ParamPool): readonly Moments[] {
  return pool.shards.map(({ count }, i) => ({
    m: gpu.tensor(`m.${i}`, [count]),
    v: gpu.tensor(`v.${i}`, [count]),
  }));
}

/**
 * Records one optimizer step: the norm of all gradients, the decision whether they and the losses are finite, and the
 * AdamW update, which clears the gradients. arXiv:1711.05101. `metrics` are the slots of the step's micro-batches.
 */
export function recordUpdate(
  recorder: Recorder,
  pool: ParamPool,
  moments: readonly Moments[],
  { state, metrics }: Readonly<Record<"state" | "metrics", Tensor>>,
  settings: OptimizerSettings,
  profile: KernelProfile,
): void {
  const { beta1, beta2, epsilon: eps, weightDecay: weight_decay, maxGradNorm: max_norm } = settings;
  const threads = profile.rowThreads;
  const counts = pool.shards.map((shard) => gradNormPartials(shard.count));
  const total = counts.reduce((a, b) => a + b, 0);
  const partials = recorder.alloc("gradNorm.partials", [total]);
  let first = 0;
  pool.shards.forEach(({ grads, count }, i) => {
    gradNorm(recorder, { grads, partials }, { count, first, threads });
    first += counts[i] ?? 0;
  });
  gradNormFinish(recorder, { partials, metrics, state }, { count: total, max_norm, beta1, beta2, threads });
  pool.shards.forEach(({ params, grads, count, decayEnd }, i) => {
    const { m, v } = moments[i] as Moments;
    adamw(recorder, { params, grads, m, v, state }, { count, decayEnd, beta1, beta2, eps, weight_decay });
  });
}
