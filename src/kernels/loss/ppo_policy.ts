import source from "../../../shaders/loss/ppo_policy.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { METRIC_SLOT, metricFields } from "./metrics_reduce.ts";

export const ppoPolicyKernel = defineKernel({
  name: "ppo_policy",
  source,
  reads: ["targets", "weights", "advantages", "oldLogp"],
  writes: ["out", "argmax", "upstream", "metrics"],
  params: { low: "f32", high: "f32" },
  step: true,
  consts: { THREADS: [64, 1] },
});

/**
 * A slot of metrics after `ppoPolicyLoss` and `valueLoss`, by index. `policyLoss` and `valueLoss` are weighted sums, and `loss`
 * is policyLoss + coef x valueLoss. Sums over live tokens: `approxKl`, `ratio`, `ratioSquared`. Counts of them: `clipFrac`,
 * `valueClipFrac`.
 */
export const PPO_METRICS: readonly string[] = metricFields([
  "policyLoss",
  "approxKl",
  "clipFrac",
  "ratio",
  "ratioSquared",
  "valueLoss",
  "valueClipFrac",
]);

/**
 * Records upstream (capacity, 3) of the clipped policy loss, and the policy's part of `PPO_METRICS` into slot `step.micro`.
 * `weights` holds mask x normaliser. Math and shapes: shaders/loss/ppo_policy.wgsl.
 */
export function ppoPolicyLoss(
  recorder: Recorder,
  t: Record<
    "out" | "argmax" | "targets" | "weights" | "advantages" | "oldLogp" | "upstream" | "metrics",
    Tensor
  >,
  { cliprange }: { readonly cliprange: number },
  threads: number,
): void {
  const { out, argmax, targets, weights, advantages, oldLogp, upstream, metrics } = t;
  const [capacity = 0] = out.shape;
  expectShape("ppo_policy", out, [capacity, 4]);
  expectShape("ppo_policy", upstream, [capacity, 3]);
  for (const tensor of [argmax, targets, weights, advantages, oldLogp]) {
    expectShape("ppo_policy", tensor, [capacity]);
  }
  expectShape("ppo_policy", metrics, [metrics.shape[0] ?? 0, METRIC_SLOT]);
  recorder.run(
    ppoPolicyKernel,
    { targets, weights, advantages, oldLogp, out, argmax, upstream, metrics },
    { low: 1 - cliprange, high: 1 + cliprange },
    () => [1],
    { consts: { THREADS: threads } },
  );
}
