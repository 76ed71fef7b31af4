/** CPU oracles for shaders/rope/*.wgsl: plain loops in float64. */

export interface RopeCase {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly rotary: number;
  readonly eps: number;
  readonly offset: number;
  readonly rotate: boolean;
  readonly theta: number;
  readonly positions: readonly number[];
  readonly qNorm?: ArrayLike<number> | undefined;
  readonly kNorm?: ArrayLike<number> | undefined;
}

const at = (x: ArrayLike<number>, i: number): number => x[i] as number;

/** The heads of queries and keys: where each is in qkv and in its own array. */
function* sections(c: RopeCase) {
  const { heads, kvHeads, headDim: D } = c;
  const stride = (heads + 2 * kvHeads) * D;
  for (let n = 0; n < c.positions.length; n++) {
    for (let h = 0; h < heads + kvHeads; h++) {
      const isKey = h >= heads;
      const place = isKey ? (n * kvHeads + h - heads) * D : (n * heads + h) * D;
      yield { n, isKey, from: n * stride + h * D, place, norm: isKey ? c.kNorm : c.qNorm };
    }
  }
}

/** Rotates the first `rotary` channels of x in pairs (i, i + rotary / 2) by `sign` times the position's angles. */
function rotate(x: number[], position: number, c: RopeCase, sign: 1 | -1): number[] {
  if (!c.rotate) return x;
  const half = c.rotary / 2;
  const y = [...x];
  for (let i = 0; i < half; i++) {
    const angle = sign * position * c.theta ** ((-2 * i) / c.rotary);
    y[i] = at(x, i) * Math.cos(angle) - at(x, i + half) * Math.sin(angle);
    y[i + half] = at(x, i + half) * Math.cos(angle) + at(x, i) * Math.sin(angle);
  }
  return y;
}

const slice = (x: ArrayLike<number>, from: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => at(x, from + i));

const rstdOf = (x: number[], eps: number) =>
  1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length + eps);

export function ropeForward(qkv: ArrayLike<number>, c: RopeCase): { q: Float64Array; k: Float64Array } {
  const { headDim: D } = c;
  const N = c.positions.length;
  const q = new Float64Array(N * c.heads * D);
  const k = new Float64Array(N * c.kvHeads * D);
  for (const { n, isKey, from, place, norm } of sections(c)) {
    const x = slice(qkv, from, D);
    const rstd = rstdOf(x, c.eps);
    const z = norm ? x.map((v, i) => v * rstd * (at(norm, i) + c.offset)) : x;
    (isKey ? k : q).set(rotate(z, at(c.positions, n), c, 1), place);
  }
  return { q, k };
}

export function ropeBackward(
  qkv: ArrayLike<number>,
  dq: ArrayLike<number>,
  dk: ArrayLike<number>,
  c: RopeCase,
): { dqkv: Float64Array; dqNorm: Float64Array; dkNorm: Float64Array } {
  const { headDim: D } = c;
  const dqkv = new Float64Array(qkv.length);
  const dqNorm = new Float64Array(D);
  const dkNorm = new Float64Array(D);
  for (const { n, isKey, from, place, norm } of sections(c)) {
    const g = rotate(slice(isKey ? dk : dq, place, D), at(c.positions, n), c, -1);
    if (!norm) {
      dqkv.set(g, from);
      continue;
    }
    const x = slice(qkv, from, D);
    const rstd = rstdOf(x, c.eps);
    const hat = x.map((v) => v * rstd);
    const u = g.map((v, i) => v * (at(norm, i) + c.offset));
    const mean = u.reduce((sum, v, i) => sum + v * at(hat, i), 0) / D;
    const dNorm = isKey ? dkNorm : dqNorm;
    g.forEach((v, i) => {
      dqkv[from + i] = rstd * (at(u, i) - at(hat, i) * mean);
      dNorm[i] = at(dNorm, i) + v * at(hat, i);
    });
  }
  return { dqkv, dqNorm, dkNorm };
}
