import lossSource from "../../../shaders/loss/group_loss.wgsl?raw";
import metricsSource from "../../../shaders/loss/group_metrics.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import { entropyQuantile } from "./entropy_quantile.ts";
import { METRIC_SLOT, metricFields } from "./metrics_reduce.ts";

export const groupLossKernel = defineKernel({
  name: "group_loss",
  source: lossSource,
  reads: ["weights", "rows", "oldLogp", "refLogp"],
  writes: ["out", "threshold", "upstream", "stats"],
  params: {
    ...{ loss: "u32", sequence: "u32", onPolicy: "u32", bias: "u32", top: "u32" },
    ...{ low: "f32", high: "f32", delta: "f32", beta: "f32", offPolicy: "f32" },
  },
  step: true,
  consts: { THREADS: [64, 1] },
});

export const groupMetricsKernel = defineKernel({
  name: "group_metrics",
  source: metricsSource,
  reads: ["targets", "weights"],
  writes: ["argmax", "stats", "metrics"],
  params: { sequence: "u32" },
  step: true,
  consts: { THREADS: [64, 1] },
});

/**
 * A slot of metrics after `groupLoss`, by index. Sums over live tokens: `kl` (after bias correction), `phi` (vespo, over live
 * rows). Counts: `clipLow`, `clipHigh` and either (`clipRegion`) of `clipCount` live tokens (rows for a ratio per row; none for
 * sapo and vespo); `cispoClip` in their place for cispo; `rows` with a live token. `clipLowMin` and `clipHighMax` are the least
 * and greatest share of clipped tokens of any one live row.
 */
export const GROUP_METRICS: readonly string[] = metricFields([
  "kl",
  "clipLow",
  "clipHigh",
  "clipRegion",
  "clipCount",
  "clipLowMin",
  "clipHighMax",
  "rows",
  "cispoClip",
  "phi",
]);

/** Floats of a row's sums between the two kernels. */
const STATS = 10;
/** A bound that nothing finite passes. */
const UNBOUNDED = 3e38;

/** The aggregation over tokens is in the weights, so that these share a policy term. */
const POLICY = {
  grpo: 0,
  bnpo: 0,
  dr_grpo: 0,
  dapo: 0,
  luspo: 0,
  cispo: 1,
  sapo: 2,
  vespo: 3,
} as const;

export type GroupLossType = keyof typeof POLICY;

export interface GroupLossSettings {
  readonly lossType: GroupLossType;
  /** One ratio for each token, or one for each row (GSPO). vespo has its own weight of a row. */
  readonly level: "token" | "sequence";
  /** The ratio is clipped to 1 - epsilon .. 1 + epsilonHigh; for cispo, epsilonHigh is its greatest value itself. */
  readonly epsilon: number;
  readonly epsilonHigh: number;
  /** The greatest ratio of rows with a negative advantage, if there is one (two-sided clipping). */
  readonly delta: number | null;
  /** Weight of the KL term; 0: the reference is not read. */
  readonly beta: number;
  /** Whether the KL term is multiplied by the ratio. */
  readonly biasCorrection: boolean;
  /** The share of tokens, those of the highest entropy, that keep their policy term: 1 is all. */
  readonly topEntropyQuantile: number;
  /** Rows with a negative advantage whose mean of old - new log-probability is over this lose their policy term. */
  readonly offPolicyThreshold: number | null;
  /** Whether the old log-probabilities are the new ones: the ratio is then exactly 1, and oldLogp is not read. */
  readonly onPolicy: boolean;
}

/**
 * `weights` holds mask x normaliser, by which loss types take their means (luspo, whose rows count as often as they have tokens:
 * 1 / (rows x micro-batches) for each token). `rows` (R, 4) holds first token, tokens, and the bits of advantage and of the
 * entropy bonus of each of the row's tokens, were all to have one (with topEntropyQuantile < 1, those above share it). The rows
 * cover all M tokens. `oldLogp` and `refLogp` may be absent where they are not read.
 */
export type GroupLossTensors = Readonly<
  Record<"out" | "argmax" | "targets" | "weights" | "rows" | "upstream" | "metrics", Tensor>
> & {
  readonly oldLogp?: Tensor | undefined;
  readonly refLogp?: Tensor | undefined;
};

/**
 * Records the loss of a micro-batch of the GRPO family: upstream (capacity, 3), and the sums of `GROUP_METRICS` into slot
 * `step.micro`. Rows without tokens are harmless. Math and shapes: shaders/loss/group_loss.wgsl and group_metrics.wgsl.
 */
export function groupLoss(
  recorder: Recorder,
  t: GroupLossTensors,
  s: GroupLossSettings,
  threads: number,
): void {
  const { out, argmax, targets, weights, rows, upstream, metrics } = t;
  const [capacity = 0] = out.shape;
  const [rowCapacity = 0] = rows.shape;
  invariant(s.onPolicy || t.oldLogp, "group_loss: off-policy needs oldLogp");
  invariant(s.beta === 0 || t.refLogp, "group_loss: a KL term needs refLogp");
  // What is not read still has to be bound.
  const oldLogp = t.oldLogp ?? weights;
  const refLogp = t.refLogp ?? weights;
  expectShape("group_loss", out, [capacity, 4]);
  expectShape("group_loss", upstream, [capacity, 3]);
  expectShape("group_loss", rows, [rowCapacity, 4]);
  for (const tensor of [argmax, targets, weights, oldLogp, refLogp]) {
    expectShape("group_loss", tensor, [capacity]);
  }
  expectShape("group_loss", metrics, [metrics.shape[0] ?? 0, METRIC_SLOT]);

  const threshold = recorder.alloc("group.threshold", [2]);
  const onlyTop = s.topEntropyQuantile < 1;
  if (onlyTop) {
    const quantile = 1 - s.topEntropyQuantile;
    entropyQuantile(recorder, { out, weights, threshold }, { quantile, threads });
  }
  const stats = recorder.alloc("group.stats", [rowCapacity, STATS]);
  const sequence = s.level === "sequence" ? 1 : 0;
  recorder.run(
    groupLossKernel,
    { weights, rows, oldLogp, refLogp, out, threshold, upstream, stats },
    {
      loss: POLICY[s.lossType],
      sequence,
      onPolicy: s.onPolicy ? 1 : 0,
      bias: s.biasCorrection ? 1 : 0,
      top: onlyTop ? 1 : 0,
      low: 1 - s.epsilon,
      high: s.lossType === "cispo" ? s.epsilonHigh : 1 + s.epsilonHigh,
      delta: s.delta ?? UNBOUNDED,
      beta: s.beta,
      offPolicy: s.offPolicyThreshold ?? UNBOUNDED,
    },
    flatGrid((step) => Math.ceil(step.R / (threads === 1 ? 16 : 1))),
    { consts: { THREADS: threads } },
  );
  recorder.run(groupMetricsKernel, { targets, weights, argmax, stats, metrics }, { sequence }, () => [1], {
    consts: { THREADS: threads },
  });
}
