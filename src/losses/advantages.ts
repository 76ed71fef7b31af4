import { invariant } from "../lib/errors.ts";
import { moments } from "./statistics.ts";

/** Values of one completion under each reward; null where a reward did not apply. */
export type RewardRow = readonly (number | null)[];

export interface AdvantageOptions {
  readonly scale: "group" | "batch" | "none";
  readonly aggregation: "sum_then_normalize" | "normalize_then_sum";
}

export interface GroupAdvantages {
  /** Weighted sum of each row; null where no reward applied. */
  readonly total: readonly (number | null)[];
  /** 0 for rows without a reward and for a group's only row with one. */
  readonly advantages: Float64Array;
  /** One entry a group: whether its rows differ in what they are worth, so that it can teach something. */
  readonly informative: readonly boolean[];
  /** TRL's metrics of the rollout: reward, reward_std (left out below two rows), frac_reward_zero_std. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Keeps advantages of nearly equal rewards finite, outside the root (TRL, DeepSeekMath's code). */
const EPSILON = 1e-4;

/** A deviation up to this is none (the absolute tolerance of torch.isclose, which TRL uses). */
const NO_SPREAD = 1e-8;

/**
 * Advantages of a whole rollout, rows of one prompt next to each other: the reward less its group's mean, over a sample
 * standard deviation (DeepSeekMath, section 4.1.1; Dr. GRPO without it; GDPO for `normalize_then_sum`).
 * A null adds nothing to its row's sum; a row of only nulls is no part of any mean or deviation.
 */
export function groupAdvantages(
  rewards: readonly RewardRow[],
  weights: readonly number[],
  groupSize: number,
  options: AdvantageOptions,
): GroupAdvantages {
  invariant(groupSize >= 1 && rewards.length % groupSize === 0, "a rollout is whole groups of completions");
  const total = rewards.map((row) => weightedSum(row, weights));
  const summed = options.aggregation === "sum_then_normalize";
  const compared = summed ? total : normalizedSums(rewards, weights, groupSize);
  const groups = chunks(compared, groupSize).map((values) => ({ values, ...momentsOf(values) }));
  const batch = summed ? momentsOf(compared) : aroundZero(compared);
  const advantages = groups.flatMap(({ values, mean, std }) => {
    const center = summed ? mean : 0;
    const divisor = divisorOf(options, std, batch.std);
    return values.map((value) => (value === null ? 0 : (value - center) / divisor));
  });
  const flat = groups.filter(({ count, std }) => {
    return count >= 2 && (summed && options.scale === "batch" ? batch.std : std) <= NO_SPREAD;
  });
  const reward = momentsOf(total);
  return {
    total,
    advantages: Float64Array.from(advantages),
    informative: groups.map(({ count, std }) => count >= 2 && std > NO_SPREAD),
    metrics: {
      ...(reward.count >= 1 && { reward: reward.mean }),
      ...(reward.count >= 2 && { reward_std: reward.std }),
      frac_reward_zero_std: flat.length / Math.max(1, groups.length),
    },
  };
}

/** `normalize_then_sum` has divided by the group's deviation already and always divides by the batch's then. */
function divisorOf({ scale, aggregation }: AdvantageOptions, group: number, batch: number): number {
  if (aggregation === "normalize_then_sum") return batch + EPSILON;
  if (scale === "none") return 1;
  return (scale === "group" ? group : batch) + EPSILON;
}

/** rewards/{name}/mean and rewards/{name}/std over the rows to which each reward applied; what cannot be told is left out. */
export function rewardMetrics(
  rewards: readonly RewardRow[],
  names: readonly string[],
): Readonly<Record<string, number>> {
  const metrics: Record<string, number> = {};
  for (const [k, name] of names.entries()) {
    const { count, mean, std } = momentsOf(rewards.map((row) => row[k] ?? null));
    if (count >= 1) metrics[`rewards/${name}/mean`] = mean;
    if (count >= 2) metrics[`rewards/${name}/std`] = std;
  }
  return metrics;
}

function weightedSum(row: RewardRow, weights: readonly number[]): number | null {
  invariant(row.length === weights.length, "every reward has a weight");
  if (row.every((value) => value === null)) return null;
  return row.reduce<number>((sum, value, k) => sum + (value ?? 0) * (weights[k] ?? 0), 0);
}

/** Each reward compared within its group first, then the weighted sum. */
function normalizedSums(
  rewards: readonly RewardRow[],
  weights: readonly number[],
  groupSize: number,
): (number | null)[] {
  return chunks(rewards, groupSize).flatMap((group) => {
    const columns = weights.map((_, k) => momentsOf(group.map((row) => row[k] ?? null)));
    return group.map((row) => {
      const scores = row.map((value, k) => {
        const { mean, std } = columns[k] ?? { mean: 0, std: 0 };
        return value === null ? null : (value - mean) / (std + EPSILON);
      });
      return weightedSum(scores, weights);
    });
  });
}

function momentsOf(values: readonly (number | null)[]) {
  const scored = values.filter((value) => value !== null);
  return { count: scored.length, ...moments(scored) };
}

/** The batch of normalised sums: its mean is 0 by construction, since every reward's values sum to 0 in every group. */
function aroundZero(values: readonly (number | null)[]) {
  const scored = values.filter((value) => value !== null);
  const squares = scored.reduce((sum, value) => sum + value * value, 0);
  return { std: Math.sqrt(squares / Math.max(1, scored.length - 1)) };
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: list.length / size }, (_, g) => list.slice(g * size, (g + 1) * size));
}
