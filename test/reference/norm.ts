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

export function rmsnormBackward(
  x: readonly number[],
  dy: readonly number[],
  weight: readonly number[],
  eps: number,
  offset: number,
): { dx: Float64Array; dw: Float64Array } {
  const C = weight.length;
  const { rstd } = rmsnormForward(x, weight, eps, offset);
  const dx = new Float64Array(x.length);
  const dw = new Float64Array(C);
  rstd.forEach((scale, n) => {
    const xHat = x.slice(n * C, (n + 1) * C).map((v) => v * scale);
    const g = weight.map((w, c) => (dy[n * C + c] as number) * (w + offset));
    const mean = g.reduce((sum, v, c) => sum + v * (xHat[c] as number), 0) / C;
    xHat.forEach((v, c) => {
      dx[n * C + c] = scale * ((g[c] as number) - v * mean);
      dw[c] = (dw[c] as number) + (dy[n * C + c] as number) * v;
    });
  });
  return { dx, dw };
}

export function layernormForward(
  x: readonly number[],
  weight: readonly number[],
  bias: readonly number[],
  eps: number,
): { y: Float64Array; stats: Float64Array } {
  const C = weight.length;
  const N = x.length / C;
  const y = new Float64Array(N * C);
  const stats = new Float64Array(2 * N);
  for (let n = 0; n < N; n++) {
    const row = x.slice(n * C, (n + 1) * C);
    const mean = row.reduce((sum, v) => sum + v, 0) / C;
    const rstd = 1 / Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / C + eps);
    stats.set([mean, rstd], 2 * n);
    row.forEach((v, c) => {
      y[n * C + c] = (v - mean) * rstd * (weight[c] as number) + (bias[c] as number);
    });
  }
  return { y, stats };
}

export function layernormBackward(
  x: readonly number[],
  dy: readonly number[],
  weight: readonly number[],
  eps: number,
): { dx: Float64Array; dw: Float64Array; db: Float64Array } {
  const C = weight.length;
  const { stats } = layernormForward(x, weight, weight, eps);
  const dx = new Float64Array(x.length);
  const dw = new Float64Array(C);
  const db = new Float64Array(C);
  for (let n = 0; n < x.length / C; n++) {
    const [mean = 0, rstd = 0] = stats.slice(2 * n, 2 * n + 2);
    const xHat = x.slice(n * C, (n + 1) * C).map((v) => (v - mean) * rstd);
    const g = weight.map((w, c) => (dy[n * C + c] as number) * w);
    const meanG = g.reduce((sum, v) => sum + v, 0) / C;
    const meanGx = g.reduce((sum, v, c) => sum + v * (xHat[c] as number), 0) / C;
    xHat.forEach((v, c) => {
      const d = dy[n * C + c] as number;
      dx[n * C + c] = rstd * ((g[c] as number) - meanG - v * meanGx);
      dw[c] = (dw[c] as number) + d * v;
      db[c] = (db[c] as number) + d;
    });
  }
  return { dx, dw, db };
}
