import type { RewardSpec } from "../config/rewards.ts";

type Values = readonly (number | null)[];

/** Mean and sample standard deviation (n - 1) of what is there; exactly 0 when all are the same. Undefined for none. */
export function spread(
  values: Values,
): { readonly mean: number; readonly std: number | undefined } | undefined {
  const there = values.filter((value) => value !== null);
  const [first] = there;
  if (first === undefined) return undefined;
  if (there.every((value) => value === first)) return { mean: first, std: there.length > 1 ? 0 : undefined };
  const mean = there.reduce((sum, value) => sum + value, 0) / there.length;
  const squares = there.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: Math.sqrt(squares / (there.length - 1)) };
}

/** Keeps a difference of rounding from becoming a large one; TRL's constant for advantages. */
const EPSILON = 1e-4;

/**
 * One reward's values as they go into the sum: with `normalize` (value - mean) / (std + 1e-4), mean and sample standard
 * deviation over the rollout's completions to which it applies; then kept within `clip`.
 */
export function adjust(values: Values, { normalize, clip }: Pick<RewardSpec, "normalize" | "clip">): Values {
  const over = normalize === true ? spread(values) : undefined;
  const [low = null, high = null] = clip ?? [];
  return values.map((value) => {
    if (value === null) return null;
    const scaled = over === undefined ? value : (value - over.mean) / ((over.std ?? 0) + EPSILON);
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
