import type { GroupLossSettings } from "../../../src/kernels/loss/group_loss.ts";
import type { GroupRow } from "../../reference/group_loss.ts";

/** Losses that TRL's GRPOTrainer gave for the four rows below, and the gradient by logp: its norm and its third number. */

export const LENGTHS = [4, 5, 2, 3];
export const ADVANTAGES = [1.2, -0.8, 0.5, -0.9];
const LIVE = 14;
export const LOGP = [
  [-0.5, -1.2, -2, -0.1, -3],
  [-0.7, -0.9, -1.5, -2.2, -0.4],
  [-1, -0.3, -0.8, -1.1, -0.6],
  [-2.5, -0.2, -0.9, -1.7, -0.05],
];
export const OLD = [
  [-0.6, -1, -2.6, -0.1, -2],
  [-0.7, -1.3, -1.4, -1.9, -0.4],
  [-1.1, -0.2, -0.8, -1.5, -0.5],
  [-2, -0.25, -0.9, -1.6, -0.06],
];
const REF = [
  [-0.55, -1.1, -2.2, -0.2, -2.5],
  [-0.8, -1, -1.6, -2, -0.5],
  [-0.9, -0.4, -0.7, -1.2, -0.7],
  [-2.2, -0.3, -1, -1.5, -0.1],
];
export const ENTROPY = [
  [0.5, 1, 1.5, 0.2, 2],
  [0.4, 0.9, 1.1, 1.8, 0.3],
  [1.2, 0.6, 0.7, 0.8, 0.1],
  [2.2, 0.05, 0.9, 1.3, 0.02],
];

/** The weight of a token in a row of `length`, by how a loss type takes the mean. */
const MEANS = {
  rows: (length: number) => 1 / (4 * length),
  tokens: () => 1 / LIVE,
  constant: () => 1 / (4 * 8), // rows x max_completion_length
  sums: () => 1 / 4, // the mean over rows of sums
} as const;

export interface Anchor {
  readonly name: string;
  readonly settings: Partial<GroupLossSettings>;
  readonly mean: keyof typeof MEANS;
  /** Of the mean entropy. */
  readonly bonus?: number;
  readonly loss: number;
  readonly norm: number;
  readonly third: number;
  /** Means over live tokens; phi over rows; shares as they are. */
  readonly metrics?: Readonly<Record<string, number>>;
}

export function anchorRows({ mean, bonus = 0, name }: Anchor): GroupRow[] {
  const scale = name.includes("TRL 1.13") ? 2 : 1; // gradient_accumulation_steps 2, steps_per_generation 4
  return LENGTHS.map((length, r) => ({
    advantage: ADVANTAGES[r] as number,
    bonus: bonus / LIVE,
    tokens: Array.from({ length }, (_, t) => ({
      logp: LOGP[r]?.[t] as number,
      old: OLD[r]?.[t] as number,
      ref: REF[r]?.[t] as number,
      entropy: ENTROPY[r]?.[t] as number,
      weight: scale * MEANS[mean](length),
      correct: false,
    })),
  }));
}

export const ANCHORS: readonly Anchor[] = [
  {
    name: "grpo",
    settings: {},
    mean: "rows",
    loss: -0.013206329,
    norm: 0.210113382,
    third: 0,
    metrics: {
      entropy: 0.90357143,
      clipLow: 0.14285714,
      clipHigh: 0.07142857,
      clipRegion: 0.21428571,
      clipLowMin: 0,
      clipHighMax: 0.25,
    },
  },
  {
    name: "bnpo",
    settings: { lossType: "bnpo" },
    mean: "tokens",
    loss: 0.054984822,
    norm: 0.221401341,
    third: 0,
  },
  {
    name: "dr_grpo",
    settings: { lossType: "dr_grpo" },
    mean: "constant",
    loss: 0.02405586,
    norm: 0.096863087,
    third: 0,
  },
  {
    name: "dapo, epsilon_high .28",
    settings: { lossType: "dapo", epsilonHigh: 0.28 },
    mean: "tokens",
    loss: 0.048127679,
    norm: 0.221401341,
    third: 0,
  },
  {
    name: "grpo, beta .04",
    settings: { beta: 0.04 },
    mean: "rows",
    loss: -0.012801416,
    norm: 0.210499763,
    third: 0.000453173,
    metrics: { kl: 0.010019 },
  },
  {
    name: "grpo, beta .04, bias correction",
    settings: { beta: 0.04, biasCorrection: true },
    mean: "rows",
    loss: -0.012836345,
    norm: 0.21053707,
    third: 0.000911059,
    metrics: { kl: 0.009424 },
  },
  {
    name: "grpo, sequence, 3e-4 and 4e-4",
    settings: { level: "sequence", epsilon: 3e-4, epsilonHigh: 4e-4 },
    mean: "rows",
    loss: -0.0001875,
    norm: 0.125747763,
    third: 0,
  },
  {
    name: "grpo, sequence, .2",
    settings: { level: "sequence" },
    mean: "rows",
    loss: -0.071285241,
    norm: 0.23917437,
    third: -0.084986134,
  },
  {
    name: "dapo, sequence, .2",
    settings: { lossType: "dapo", level: "sequence" },
    mean: "tokens",
    loss: -0.008228646,
    norm: 0.256508888,
    third: -0.09712701,
  },
  {
    name: "cispo, epsilon_high 5",
    settings: { lossType: "cispo", epsilonHigh: 5 },
    mean: "tokens",
    loss: 0.022556392,
    norm: 0.276990263,
    third: -0.156181611,
  },
  {
    name: "sapo",
    settings: { lossType: "sapo" },
    mean: "rows",
    loss: -0.113941403,
    norm: 0.244421146,
    third: -0.115939994,
  },
  {
    name: "luspo, sequence",
    settings: { lossType: "luspo", level: "sequence" },
    mean: "sums",
    loss: -0.02880026,
    norm: 0.897781108,
    third: -0.339944536,
  },
  {
    name: "vespo",
    settings: { lossType: "vespo" },
    mean: "tokens",
    loss: -0.276677519,
    norm: 0.163881497,
    third: -0.033276641,
    metrics: { phi: 0.730838 },
  },
  {
    name: "dapo, top_entropy_quantile .5",
    settings: { lossType: "dapo", topEntropyQuantile: 0.5 },
    mean: "tokens",
    loss: 0.085876238,
    norm: 0.143373094,
    third: 0,
  },
  {
    name: "dapo, entropy_coef .01",
    settings: { lossType: "dapo" },
    mean: "tokens",
    bonus: 0.01,
    loss: 0.045949108,
    norm: 0.221401341,
    third: 0,
  },
  {
    name: "grpo, entropy_coef .01, quantile .5",
    settings: { topEntropyQuantile: 0.5 },
    mean: "rows",
    bonus: 0.01,
    loss: 0.029138496,
    norm: 0.137976409,
    third: 0,
  },
  {
    name: "grpo, off_policy_mask .05",
    settings: { offPolicyThreshold: 0.05 },
    mean: "rows",
    loss: -0.227051662,
    norm: 0.17973883,
    third: 0,
  },
  {
    name: "dapo, two micro-batches of four",
    settings: { lossType: "dapo" },
    mean: "tokens",
    loss: 0.054984822,
    norm: 0.221401341,
    third: 0,
  },
  {
    name: "dapo, two micro-batches of four, TRL 1.13",
    settings: { lossType: "dapo" },
    mean: "tokens",
    loss: 0.109969644,
    norm: 0.442802682,
    third: 0,
  },
];
