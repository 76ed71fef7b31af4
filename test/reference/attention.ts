/** CPU oracles for shaders/attention/*.wgsl: naive softmax with every score in memory, in float64. */

export interface AttentionCase {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale: number;
  readonly window: number;
  readonly softcap: number;
  readonly rowLengths: readonly number[];
}

const at = (x: ArrayLike<number>, i: number): number => x[i] as number;

function dot(a: ArrayLike<number>, aFrom: number, b: ArrayLike<number>, bFrom: number, n: number): number {
  let sum = 0;
  for (let d = 0; d < n; d++) sum += at(a, aFrom + d) * at(b, bFrom + d);
  return sum;
}

/** Every (query, head): its place in q, and of each visible key the places in k and in qkv (the value). */
function* queries(c: AttentionCase) {
  const { heads: H, kvHeads: K, headDim: D } = c;
  const stride = (H + 2 * K) * D;
  let rowStart = 0;
  for (const length of c.rowLengths) {
    for (let i = rowStart; i < rowStart + length; i++) {
      const first = c.window > 0 ? Math.max(rowStart, i - c.window + 1) : rowStart;
      for (let h = 0; h < H; h++) {
        const kv = Math.floor((h * K) / H);
        const keys = Array.from({ length: i - first + 1 }, (_, b) => ({
          k: ((first + b) * K + kv) * D,
          v: (first + b) * stride + (H + K + kv) * D,
        }));
        yield { query: i * H + h, q: (i * H + h) * D, keys };
      }
    }
    rowStart += length;
  }
}

interface Inputs {
  readonly q: ArrayLike<number>;
  readonly k: ArrayLike<number>;
  readonly qkv: ArrayLike<number>;
}

function scores(x: Inputs, q: number, keys: { k: number }[], c: AttentionCase) {
  const s = keys.map((key) => {
    const score = c.scale * dot(x.q, q, x.k, key.k, c.headDim);
    return c.softcap > 0 ? c.softcap * Math.tanh(score / c.softcap) : score;
  });
  const top = Math.max(...s);
  const lse = top + Math.log(s.reduce((sum, v) => sum + Math.exp(v - top), 0));
  return { s, lse, weights: s.map((v) => Math.exp(v - lse)) };
}

export function attentionForward(x: Inputs, c: AttentionCase): { out: Float64Array; lse: Float64Array } {
  const N = c.rowLengths.reduce((a, b) => a + b, 0);
  const out = new Float64Array(N * c.heads * c.headDim);
  const lse = new Float64Array(N * c.heads);
  for (const { query, q, keys } of queries(c)) {
    const result = scores(x, q, keys, c);
    lse[query] = result.lse;
    keys.forEach((key, b) => {
      for (let d = 0; d < c.headDim; d++) {
        out[q + d] = at(out, q + d) + at(result.weights, b) * at(x.qkv, key.v + d);
      }
    });
  }
  return { out, lse };
}

/** dqkv has only its value section. */
export function attentionBackward(
  x: Inputs,
  dout: ArrayLike<number>,
  c: AttentionCase,
): { dq: Float64Array; dk: Float64Array; dqkv: Float64Array; delta: Float64Array } {
  const { headDim: D } = c;
  const { out } = attentionForward(x, c);
  const dq = new Float64Array(x.q.length);
  const dk = new Float64Array(x.k.length);
  const dqkv = new Float64Array(x.qkv.length);
  const delta = new Float64Array(x.q.length / D);
  for (const { query, q, keys } of queries(c)) {
    const { s, weights } = scores(x, q, keys, c);
    const D_i = dot(dout, q, out, q, D);
    delta[query] = D_i;
    keys.forEach((key, b) => {
      const w = at(weights, b);
      const slope = c.softcap > 0 ? 1 - (at(s, b) / c.softcap) ** 2 : 1;
      const ds = w * (dot(dout, q, x.qkv, key.v, D) - D_i) * slope * c.scale;
      for (let d = 0; d < D; d++) {
        dq[q + d] = at(dq, q + d) + ds * at(x.k, key.k + d);
        dk[key.k + d] = at(dk, key.k + d) + ds * at(x.q, q + d);
        dqkv[key.v + d] = at(dqkv, key.v + d) + w * at(dout, q + d);
      }
    });
  }
  return { dq, dk, dqkv, delta };
}
