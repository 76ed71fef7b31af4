import type { RewardSpec } from "../config/rewards.ts";
import { moments } from "../losses/statistics.ts";

type Values = readonly (number | null)[];

/** Keeps a difference of rounding from becoming a large one; TRL's constant for advantages. */
const EPSILON = 1e-4;

/**
 * One reward's values as they go into the sum: with `normalize` (value - mean) / (std + 1e-4), mean and sample standard
 * deviation over the rollout's completions to which it applies; then kept within `clip`.
 */
export function adjust(values: Values, { normalize, clip }: Pick<RewardSpec, "normalize" | "clip">): Values {
  const over = normalize === true ? moments(values.filter((value) => value !== null)) : undefined;
  const [low = null, high = null] = clip ?? [];
  return values.map((value) => {
    if (value === null) return null;
    const scaled = over === undefined ? value : (value - over.mean) / (over.std + EPSILON);
    return Math.min(high ?? Number.POSITIVE_INFINITY, Math.max(low ?? Number.NEGATIVE_INFINITY, scaled));
  });
}

/**
 * The sum of weight x adjusted value for each completion. What is null adds nothing; null where all are. `values` has one
 * list for each reward, as the rewards gave them; the same sum is had from a recorded rollout.
 */
export function combine(rewards: readonly RewardSpec[], values: readonly Values[]): Values {
  const lists = rewards.map((reward, i) => ({
    weight: reward.weight,
    list: adjust(values[i] ?? [], reward),
  }));
  const count = lists[0]?.list.length ?? 0;
  return Array.from({ length: count }, (_, i) => {
    const there = lists.flatMap(({ weight, list }) =>
      typeof list[i] === "number" ? [weight * list[i]] : [],
    );
    return there.length === 0 ? null : there.reduce((sum, part) => sum + part, 0);
  });
}
