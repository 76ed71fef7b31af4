/** CPU oracles for shaders/head/*.wgsl: plain loops in float64. */

export interface HeadOptions {
  readonly softcap: number;
  readonly temperature: number;
}

export interface HeadRow {
  readonly logp: number;
  readonly entropy: number;
  readonly lse: number;
  readonly meanLogp: number;
  readonly argmax: number;
  readonly logCollision: number;
}

export function scaled(z: number, { softcap, temperature }: HeadOptions): number {
  return (softcap > 0 ? softcap * Math.tanh(z / softcap) : z) / temperature;
}

/** One row of raw logits. The argmax is the lowest index among equals. */
export function headForward(row: readonly number[], target: number, options: HeadOptions): HeadRow {
  const z = row.map((v) => scaled(v, options));
  const m = z.reduce((a, b) => Math.max(a, b));
  const lse = m + Math.log(z.reduce((sum, v) => sum + Math.exp(v - m), 0));
  return {
    logp: (z[target] as number) - lse,
    entropy: lse - z.reduce((sum, v) => sum + Math.exp(v - lse) * v, 0),
    lse,
    meanLogp: z.reduce((sum, v) => sum + v, 0) / z.length - lse,
    argmax: z.indexOf(m),
    logCollision: Math.log(z.reduce((sum, v) => sum + Math.exp(v - lse) ** 2, 0)),
  };
}

/** dloss/d(raw logits) of one row for dloss/d(logp, entropy, mean_logp). */
export function headBackward(
  row: readonly number[],
  target: number,
  [dLogp, dEntropy, dMean]: readonly [number, number, number],
  options: HeadOptions,
): number[] {
  const { lse, entropy } = headForward(row, target, options);
  return row.map((v, c) => {
    const logp = scaled(v, options) - lse;
    const p = Math.exp(logp);
    const g =
      dLogp * ((c === target ? 1 : 0) - p) - dEntropy * p * (logp + entropy) + dMean * (1 / row.length - p);
    const slope = options.softcap > 0 ? 1 - Math.tanh(v / options.softcap) ** 2 : 1;
    return (g * slope) / options.temperature;
  });
}
