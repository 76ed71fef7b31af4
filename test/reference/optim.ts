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
