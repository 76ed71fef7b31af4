import pairsSource from "../../../shaders/loss/dpo_pairs.wgsl?raw";
import rowsSource from "../../../shaders/loss/dpo_rows.wgsl?raw";
import tokensSource from "../../../shaders/loss/dpo_tokens.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import { METRIC_SLOT, metricFields } from "./metrics_reduce.ts";

export const dpoRowsKernel = defineKernel({
  name: "dpo_rows",
  source: rowsSource,
  reads: ["targets", "rows", "refLogp"],
  writes: ["out", "argmax", "logCollision", "stats"],
  params: { ldAlpha: "f32", referenceFree: "u32" },
  step: true,
  consts: { THREADS: [64, 1] },
});

/** Every type of loss is a weight in the kernel's parameters, 0 for those not in use. */
const TYPE_WEIGHTS = {
  sigmoid: "f32",
  hinge: "f32",
  ipo: "f32",
  sigmoid_norm: "f32",
  exo_pair: "f32",
  nca_pair: "f32",
  robust: "f32",
  bco_pair: "f32",
  sppo_hard: "f32",
  aot: "f32",
  aot_unpaired: "f32",
  apo_zero: "f32",
  apo_down: "f32",
  discopop: "f32",
  sft: "f32",
} as const;

export const dpoPairsKernel = defineKernel({
  name: "dpo_pairs",
  source: pairsSource,
  reads: ["rows"],
  writes: ["stats", "metrics"],
  params: {
    ...TYPE_WEIGHTS,
    ...{ beta: "f32", smoothing: "f32", alpha: "f32", tau: "f32", divergence: "u32", weighting: "u32" },
  },
  step: true,
  consts: { THREADS: [64, 1] },
});

export const dpoTokensKernel = defineKernel({
  name: "dpo_tokens",
  source: tokensSource,
  reads: ["rowOf", "rows"],
  writes: ["stats", "upstream"],
  params: { ldAlpha: "f32" },
  step: true,
});

/**
 * A slot of metrics after `dpoLoss`, by index. The common fields are of both rows of a pair. Sums over pairs: `rewards*`
 * (beta times the row's log-probability over the reference's), `logps*`; of completion tokens: `logits*` (mean over the
 * vocabulary), `chosenTokens`, `rejectedTokens`, `chosenCorrect`. `rewardsAccuracies` counts strictly greater rewards. With
 * ldAlpha, rewards and logps are of the scaled sums.
 */
export const DPO_METRICS: readonly string[] = metricFields([
  "pairs",
  "rewardsChosen",
  "rewardsRejected",
  "rewardsAccuracies",
  "logpsChosen",
  "logpsRejected",
  "logitsChosen",
  "logitsRejected",
  "chosenTokens",
  "rejectedTokens",
  "chosenCorrect",
]);

/** The first columns of the stats of a row: sums over its tokens. The scaled ones are the plain ones without ldAlpha. */
export const DPO_STATS = ["logp", "refLogp", "scaledLogp", "scaledRefLogp"] as const;

/** Floats of a row's stats. */
const STATS = 16;
const DIVERGENCE = { reverse_kl: 0, forward_kl: 1, js_divergence: 2, alpha_divergence: 3 } as const;

export type DpoLossType = keyof typeof TYPE_WEIGHTS;

export interface DpoLossSettings {
  /** The loss is their weighted sum. */
  readonly losses: readonly { readonly type: DpoLossType; readonly weight: number }[];
  readonly beta: number;
  /** For sigmoid, exo_pair (over 0), robust (under 1/2), aot and aot_unpaired; the others ignore it. */
  readonly labelSmoothing: number;
  /** For the types that compare scores: sigmoid, hinge, ipo, sigmoid_norm, exo_pair, robust, discopop; others read log-ratios. */
  readonly divergence: keyof typeof DIVERGENCE;
  readonly alphaCoef: number;
  /** Weight of log-probabilities past the length of the shorter row of a pair; null is 1. */
  readonly ldAlpha: number | null;
  /** Whether the reference's log-probabilities count as 0; they are then not read. */
  readonly referenceFree: boolean;
  /** WPO's weights of pairs. */
  readonly weighting: boolean;
  readonly discopopTau: number;
}

/**
 * Rows 2p and 2p + 1 are the chosen and the rejected row of pair p; they cover all M tokens. `rows` (R, 4) holds first token,
 * tokens, and for chosen rows the bits of the pair's weight, 1 / (pairs x micro-batches), and of the weight of each token for
 * sft, 1 / (chosen tokens x micro-batches).
 */
export type DpoLossTensors = Readonly<
  Record<"out" | "argmax" | "logCollision" | "targets" | "rowOf" | "rows" | "upstream" | "metrics", Tensor>
> & { readonly refLogp?: Tensor | undefined };

/**
 * Records the loss of a micro-batch of pairs: upstream (capacity, 3), and the sums of `DPO_METRICS` into slot `step.micro`.
 * Returns stats (rows, 16), whose first columns are `DPO_STATS`. Math and shapes: shaders/loss/dpo_rows.wgsl, dpo_pairs.wgsl
 * and dpo_tokens.wgsl.
 */
export function dpoLoss(
  recorder: Recorder,
  t: DpoLossTensors,
  s: DpoLossSettings,
  threads: number,
): { readonly stats: Tensor } {
  const { out, argmax, logCollision, targets, rowOf, rows, upstream, metrics } = t;
  const [capacity = 0] = out.shape;
  const [rowCapacity = 0] = rows.shape;
  const weights = typeWeights(s);
  invariant(s.referenceFree || t.refLogp, "dpo_loss: a reference needs refLogp");
  // What is not read still has to be bound.
  const refLogp = t.refLogp ?? targets;
  expectShape("dpo_loss", out, [capacity, 4]);
  expectShape("dpo_loss", upstream, [capacity, 3]);
  expectShape("dpo_loss", rows, [rowCapacity, 4]);
  for (const tensor of [argmax, logCollision, targets, rowOf, refLogp]) {
    expectShape("dpo_loss", tensor, [capacity]);
  }
  expectShape("dpo_loss", metrics, [metrics.shape[0] ?? 0, METRIC_SLOT]);

  const stats = recorder.alloc("dpo.stats", [rowCapacity, STATS]);
  const ldAlpha = s.ldAlpha ?? 1;
  recorder.run(
    dpoRowsKernel,
    { targets, rows, refLogp, out, argmax, logCollision, stats },
    { ldAlpha, referenceFree: s.referenceFree ? 1 : 0 },
    flatGrid((step) => Math.ceil(step.R / (threads === 1 ? 16 : 1))),
    { consts: { THREADS: threads } },
  );
  // Near 1 the alpha divergence is the reverse KL.
  const limit = s.divergence === "alpha_divergence" && Math.abs(s.alphaCoef - 1) < 1e-6;
  recorder.run(
    dpoPairsKernel,
    { rows, stats, metrics },
    {
      ...weights,
      beta: s.beta,
      smoothing: s.labelSmoothing,
      alpha: s.alphaCoef,
      tau: s.discopopTau,
      divergence: limit ? DIVERGENCE.reverse_kl : DIVERGENCE[s.divergence],
      weighting: s.weighting ? 1 : 0,
    },
    () => [1],
    { consts: { THREADS: threads } },
  );
  recorder.run(dpoTokensKernel, { rowOf, rows, stats, upstream }, { ldAlpha }, (step) => [
    Math.ceil(step.M / 64),
  ]);
  return { stats };
}

function typeWeights({ losses, labelSmoothing }: DpoLossSettings): Record<DpoLossType, number> {
  const names = Object.keys(TYPE_WEIGHTS) as DpoLossType[];
  const weights = Object.fromEntries(names.map((name) => [name, 0])) as Record<DpoLossType, number>;
  for (const { type, weight } of losses) weights[type] += weight;
  invariant(
    weights.exo_pair === 0 || (labelSmoothing > 0 && labelSmoothing < 1),
    "dpo_loss: exo_pair needs a label smoothing over 0",
  );
  invariant(
    weights.robust === 0 || labelSmoothing < 0.5,
    "dpo_loss: robust needs a label smoothing under 1/2",
  );
  return weights;
}
