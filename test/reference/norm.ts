/** CPU oracles for shaders/norm/*.wgsl: plain loops in float64. */

export function rmsnormForward(
  x: readonly number[],
  weight: readonly number[],
  eps: number,
  offset: number,
): { y: Float64Array; rstd: Float64Array } {
  const C = weight.length;
  const N = x.length / C;
  const y = new Float64Array(N * C);
  const rstd = new Float64Array(N);
  for (let n = 0; n < N; n++) {
    const row = x.slice(n * C, (n + 1) * C);
    const scale = 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / C + eps);
    rstd[n] = scale;
    row.forEach((v, c) => {
      y[n * C + c] = v * scale * ((weight[c] as number) + offset);
    });
  }
  return { y, rstd };
}
