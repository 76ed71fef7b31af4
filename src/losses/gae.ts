import { invariant } from "../lib/errors.ts";

/** One completion of a PPO rollout; the arrays hold one number for each of its tokens. */
export interface PpoRow {
  /** Weighted sum of the rewards. */
  readonly score: number;
  /** Whether it came to its end, in place of being cut by the length limit. */
  readonly ended: boolean;
  readonly oldLogp: ArrayLike<number>;
  readonly refLogp: ArrayLike<number>;
  /** Value estimates at the positions that predict each token. */
  readonly values: ArrayLike<number>;
}

export interface RewardOptions {
  readonly klCoef: number;
  readonly klEstimator: "k1" | "k3";
  /** Taken off the score of a completion that did not end; null for none. */
  readonly missingEosPenalty: number | null;
}

export interface PpoOptions extends RewardOptions {
  readonly gamma: number;
  readonly lam: number;
  readonly whitenRewards: boolean;
}

export interface PpoTargets {
  /** What the policy loss multiplies the ratio by: whitened over all tokens of the rollout. */
  readonly advantages: readonly Float64Array[];
  /** The same before whitening. */
  readonly rawAdvantages: readonly Float64Array[];
  /** What the value model is to predict. */
  readonly returns: readonly Float64Array[];
  /** TRL's metrics of the rollout: objective/kl, non_score_reward, rlhf_reward and scores, means over rows. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Sum of the KL estimates of each row, for the adaptive controller. */
  readonly meanKl: number;
}

/**
 * A rollout's scores as advantages and returns of every token (TRL `experimental.ppo`, except that the score stands on the
 * last token itself; Ziegler et al. 2019, section 2.1; Schulman et al. 2015, equation 16).
 */
export function ppoTargets(rows: readonly PpoRow[], options: PpoOptions): PpoTargets {
  const plain = rows.map((row) => tokenRewards(row, options));
  const rewards = options.whitenRewards ? whiten(plain, { keepMean: true }) : plain;
  const estimated = rows.map((row, i) => gae(rewards[i] ?? [], row.values, options));
  const rawAdvantages = estimated.map(({ advantages }) => advantages);
  const kl = rows.map((row) => sum(tokenKl(row, options.klEstimator)));
  const scores = rows.map((row) => scoreOf(row, options));
  const meanKl = mean(kl);
  const nonScore = 0 - options.klCoef * meanKl;
  return {
    advantages: whiten(rawAdvantages),
    rawAdvantages,
    returns: estimated.map(({ returns }) => returns),
    meanKl,
    metrics: {
      "objective/kl": meanKl,
      "objective/non_score_reward": nonScore,
      "objective/rlhf_reward": nonScore + mean(scores),
      "objective/scores": mean(scores),
    },
  };
}

/** -kl_coef * KL at every token, and the score on the last one. */
export function tokenRewards(row: PpoRow, options: RewardOptions): Float64Array {
  const rewards = tokenKl(row, options.klEstimator).map((kl) => 0 - options.klCoef * kl);
  const last = rewards.length - 1;
  if (last >= 0) rewards[last] = (rewards[last] ?? 0) + scoreOf(row, options);
  return rewards;
}

/** With l = log ref - log old: k1 is -l, k3 is e^l - 1 - l (Schulman, "Approximating KL divergence"). */
export function tokenKl(
  { oldLogp, refLogp }: Pick<PpoRow, "oldLogp" | "refLogp">,
  estimator: "k1" | "k3",
): Float64Array {
  invariant(oldLogp.length === refLogp.length, "old and reference log-probabilities are of the same tokens");
  return Float64Array.from(oldLogp, (old, t) => {
    const l = (refLogp[t] ?? 0) - old;
    return estimator === "k1" ? -l : Math.expm1(l) - l;
  });
}

/** The score with the penalty for a missing end. */
function scoreOf({ score, ended }: PpoRow, { missingEosPenalty }: RewardOptions): number {
  return ended || missingEosPenalty === null ? score : score - missingEosPenalty;
}

/** Generalised advantage estimation over one row; the value after the last token is 0. returns = advantages + values. */
export function gae(
  rewards: ArrayLike<number>,
  values: ArrayLike<number>,
  { gamma, lam }: Pick<PpoOptions, "gamma" | "lam">,
): { advantages: Float64Array; returns: Float64Array } {
  invariant(rewards.length === values.length, "rewards and values are of the same tokens");
  const advantages = new Float64Array(rewards.length);
  const returns = new Float64Array(rewards.length);
  let later = 0;
  for (let t = rewards.length - 1; t >= 0; t--) {
    const value = values[t] ?? 0;
    const delta = (rewards[t] ?? 0) + gamma * (values[t + 1] ?? 0) - value;
    later = delta + gamma * lam * later;
    advantages[t] = later;
    returns[t] = later + value;
  }
  return { advantages, returns };
}

/**
 * (x - mean) / sqrt(variance + 1e-8) over all tokens of all rows, with the sample variance (n - 1). `keepMean` scales
 * alone. A single token has no variance to divide by and only loses its mean.
 */
export function whiten(
  rows: readonly Float64Array[],
  { keepMean = false }: { readonly keepMean?: boolean } = {},
): Float64Array[] {
  const n = rows.reduce((count, row) => count + row.length, 0);
  const center = rows.reduce((total, row) => total + sum(row), 0) / Math.max(1, n);
  const squares = rows.reduce((total, row) => total + sum(row.map((x) => (x - center) ** 2)), 0);
  const scale = n < 2 ? 1 : 1 / Math.sqrt(squares / (n - 1) + 1e-8);
  return rows.map((row) => row.map((x) => (x - center) * scale + (keepMean ? center : 0)));
}

export interface KlTarget {
  readonly target: number;
  readonly horizon: number;
}

/** The KL coefficient after `n` completions with this mean KL (Ziegler et al. 2019, section 2.2). */
export function adaptKlCoef(coef: number, meanKl: number, n: number, { target, horizon }: KlTarget): number {
  const error = Math.min(0.2, Math.max(-0.2, meanKl / target - 1));
  return coef * (1 + (error * n) / horizon);
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((total, value) => total + value, 0) / values.length;
}
