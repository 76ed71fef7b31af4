/** CPU oracles for shaders/optim/*.wgsl: plain loops in float64. */

export interface AdamOptions {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weight_decay: number;
}

export interface AdamState {
  readonly p: readonly number[];
  readonly m: readonly number[];
  readonly v: readonly number[];
}

export function gradNorm(grads: readonly number[]): number {
  return Math.sqrt(grads.reduce((sum, g) => sum + g * g, 0));
}

export function clipCoefficient(norm: number, maxNorm: number): number {
  return maxNorm > 0 ? Math.min(1, maxNorm / (norm + 1e-6)) : 1;
}

/** torch.optim.AdamW, step t >= 1; elements from decayEnd on do not decay. */
export function adamw(
  { p, m, v }: AdamState,
  grads: readonly number[],
  t: number,
  decayEnd: number,
  { lr, beta1, beta2, eps, weight_decay }: AdamOptions,
): AdamState {
  const mean = m.map((value, i) => value + (1 - beta1) * ((grads[i] as number) - value));
  const square = v.map((value, i) => beta2 * value + (1 - beta2) * (grads[i] as number) ** 2);
  const next = p.map((value, i) => {
    const decayed = i < decayEnd ? value * (1 - lr * weight_decay) : value;
    const denominator = Math.sqrt(square[i] as number) / Math.sqrt(1 - beta2 ** t) + eps;
    return decayed - ((lr / (1 - beta1 ** t)) * (mean[i] as number)) / denominator;
  });
  return { p: next, m: mean, v: square };
}

/** The moments of one element, decoded. */
export type Moments = readonly [m: number, v: number];

/** One element of 8-bit AdamW before its moments are encoded again: like AdamW, but the decay comes last. */
export function adamw8bit(
  p: number,
  [m, v]: Moments,
  g: number,
  t: number,
  { lr, beta1, beta2, eps, weight_decay }: AdamOptions,
): { p: number; moments: Moments } {
  const mean = beta1 * m + (1 - beta1) * g;
  const square = beta2 * v + (1 - beta2) * g * g;
  const step = ((lr / (1 - beta1 ** t)) * mean) / (Math.sqrt(square) / Math.sqrt(1 - beta2 ** t) + eps);
  return { p: (p - step) * (1 - lr * weight_decay), moments: [mean, square] };
}

/** The index of the value nearest to x. */
export function nearestCode(map: ArrayLike<number>, x: number): number {
  let best = 0;
  for (let i = 1; i < map.length; i++) {
    if (Math.abs((map[i] as number) - x) < Math.abs((map[best] as number) - x)) best = i;
  }
  return best;
}
