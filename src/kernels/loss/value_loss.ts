import source from "../../../shaders/loss/value_loss.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { METRIC_SLOT } from "./metrics_reduce.ts";

export const valueLossKernel = defineKernel({
  name: "value_loss",
  source,
  reads: ["weights", "oldValues", "returns"],
  writes: ["values", "dValues", "metrics"],
  params: { clipRange: "f32", coef: "f32" },
  step: true,
  consts: { THREADS: [64, 1] },
});

export interface ValueLossSettings {
  /** The new value is clipped to this far from the old one. */
  readonly clipRange: number;
  /** Of the value loss in the loss. */
  readonly coef: number;
}

/**
 * Records dValues (capacity, 1) of coef x the clipped value loss, and adds the value's part of `PPO_METRICS` to slot
 * `step.micro`, which `ppoPolicyLoss` must have written before. `weights` holds mask x normaliser.
 * Math and shapes: shaders/loss/value_loss.wgsl.
 */
export function valueLoss(
  recorder: Recorder,
  t: Record<"values" | "weights" | "oldValues" | "returns" | "dValues" | "metrics", Tensor>,
  { clipRange, coef }: ValueLossSettings,
  threads: number,
): void {
  const { values, weights, oldValues, returns, dValues, metrics } = t;
  const [capacity = 0] = values.shape;
  expectShape("value_loss", values, [capacity, 1]);
  expectShape("value_loss", dValues, [capacity, 1]);
  for (const tensor of [weights, oldValues, returns]) expectShape("value_loss", tensor, [capacity]);
  expectShape("value_loss", metrics, [metrics.shape[0] ?? 0, METRIC_SLOT]);
  recorder.run(
    valueLossKernel,
    { weights, oldValues, returns, values, dValues, metrics },
    { clipRange, coef },
    () => [1],
    { consts: { THREADS: threads } },
  );
}
