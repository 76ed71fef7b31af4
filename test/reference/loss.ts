/** CPU oracles for shaders/loss/cross_entropy.wgsl and metrics_reduce.wgsl, in float64. */

export interface TokenLoss {
  readonly loss: number;
  readonly dLogp: number;
  readonly dMeanLogp: number;
}

/** `p` is given apart from logp, because dft does not differentiate through it. */
export function crossEntropy(
  { logp, meanLogp, p }: { readonly logp: number; readonly meanLogp: number; readonly p: number },
  weight: number,
  kind: "nll" | "dft",
  smoothing: number,
): TokenLoss {
  const scale = kind === "dft" ? p : 1;
  return {
    loss: weight * ((1 - smoothing) * scale * -logp + smoothing * -meanLogp),
    dLogp: -weight * (1 - smoothing) * scale,
    dMeanLogp: -weight * smoothing,
  };
}

export interface TokenMetrics {
  readonly loss: number;
  readonly entropy: number;
  readonly logp: number;
  readonly correct: boolean;
  readonly live: boolean;
}

export function metricsReduce(tokens: readonly TokenMetrics[]): number[] {
  const live = tokens.filter((token) => token.live);
  const sum = (field: "loss" | "entropy" | "logp") => live.reduce((total, token) => total + token[field], 0);
  const broken = tokens.filter((t) => ![t.loss, t.entropy, t.logp].every(Number.isFinite)).length;
  const correct = live.filter((token) => token.correct).length;
  return [sum("loss"), sum("entropy"), correct, live.length, sum("logp"), broken];
}
