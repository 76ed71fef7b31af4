/** CPU oracles for shaders/loss/ppo_policy.wgsl and value_loss.wgsl, in float64. */

const clip = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/** The larger of two numbers and its slope, as torch differentiates maximum: a tie takes half of each. */
function larger(a: readonly [number, number], b: readonly [number, number]): [number, number] {
  if (a[0] === b[0]) return [a[0], (a[1] + b[1]) / 2];
  return a[0] > b[0] ? [...a] : [...b];
}

export interface PolicyToken {
  readonly logp: number;
  readonly old: number;
  readonly advantage: number;
  readonly weight: number;
}

/** Loss of one token, its slope by logp, and whether the clipped loss is the larger one. */
export function ppoPolicyLoss({ logp, old, advantage: A, weight }: PolicyToken, cliprange: number) {
  const ratio = Math.exp(logp - old);
  const inside = ratio >= 1 - cliprange && ratio <= 1 + cliprange;
  const free = [-A * ratio, -A * ratio] as const;
  const clipped = [-A * clip(ratio, 1 - cliprange, 1 + cliprange), inside ? -A * ratio : 0] as const;
  const [loss, slope] = larger(free, clipped);
  return { loss: weight * loss, dLogp: weight * slope, clipped: clipped[0] > free[0], ratio };
}

export interface ValueToken {
  readonly value: number;
  readonly old: number;
  readonly target: number;
  readonly weight: number;
}

/** Loss of one token, the slope of coef x it by the value, and whether the clipped loss is the larger one. */
export function valueLoss({ value, old, target, weight }: ValueToken, clipRange: number, coef: number) {
  const bounded = clip(value, old - clipRange, old + clipRange);
  const free = [(value - target) ** 2, 2 * (value - target)] as const;
  const clipped = [(bounded - target) ** 2, bounded === value ? 2 * (value - target) : 0] as const;
  const [loss, slope] = larger(free, clipped);
  return {
    loss: (weight * loss) / 2,
    dValue: (coef * weight * slope) / 2,
    clipped: clipped[0] > free[0],
  };
}
