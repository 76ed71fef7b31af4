/** CPU oracles for shaders/lora/*.wgsl: plain loops in float64. */
import type { LoraSegment } from "../../src/kernels/linear/weight.ts";
import { hash, unit } from "../../src/lib/random.ts";

type Numbers = ArrayLike<number>;

export interface Mask {
  readonly rate: number;
  readonly tag: number;
  readonly seed: number;
  readonly step: number;
  readonly keys: Numbers;
}

/** What dropout multiplies channel k of token n with, for a projection of the group. The rate is that of f32. */
export function dropFactor(mask: Mask | undefined, n: number, projection: number, k: number): number {
  if (!mask) return 1;
  const bits = hash(mask.seed, mask.step, mask.keys[n] as number, mask.tag + projection, k);
  return unit(bits) < Math.fround(mask.rate) ? 0 : Math.fround(1 / (1 - mask.rate));
}

export interface Shape {
  /** Tokens. */
  readonly N: number;
  /** Channels of the adapters' input, and the row length and first column of x. */
  readonly K: number;
  readonly ldx: number;
  readonly column: number;
  /** Total rank, and that of one adapter. */
  readonly ru: number;
  readonly rank: number;
}

/** u[n, j] = sum_k drop_j(x)[n, k] a[j, k] */
export function loraU(x: Numbers, a: Numbers, shape: Shape, mask?: Mask): Float64Array {
  const { N, K, ldx, column, ru, rank } = shape;
  const u = new Float64Array(N * ru);
  for (let n = 0; n < N; n++) {
    for (let j = 0; j < ru; j++) {
      for (let k = 0; k < K; k++) {
        const value = (x[n * ldx + column + k] as number) * dropFactor(mask, n, Math.floor(j / rank), k);
        u[n * ru + j] = (u[n * ru + j] as number) + value * (a[j * K + k] as number);
      }
    }
  }
  return u;
}

/** y[n, c] += scale * sum_j u[n, j] b[row of c, j]: the up projection, only to check the others against. */
export function loraY(
  u: Numbers,
  b: Numbers,
  shape: Shape,
  ldy: number,
  scale: number,
  segments: readonly LoraSegment[],
): Float64Array {
  const { N, ru, rank } = shape;
  const y = new Float64Array(N * ldy);
  for (const segment of segments) {
    for (let n = 0; n < N; n++) {
      for (let c = segment.begin; c < segment.end; c++) {
        let sum = 0;
        for (let j = 0; j < rank; j++) {
          sum +=
            (u[n * ru + segment.u + j] as number) *
            (b[(segment.row + c - segment.begin) * rank + j] as number);
        }
        y[n * ldy + c] = (y[n * ldy + c] as number) + scale * sum;
      }
    }
  }
  return y;
}

/** du[n, segment.u + j] = scale * sum_c dy[n, c] b[row of c, j] */
export function loraBackwardU(
  dy: Numbers,
  b: Numbers,
  shape: Shape,
  ldy: number,
  scale: number,
  segments: readonly LoraSegment[],
): Float64Array {
  const { N, ru, rank } = shape;
  const du = new Float64Array(N * ru);
  for (const segment of segments) {
    for (let n = 0; n < N; n++) {
      for (let j = 0; j < rank; j++) {
        let sum = 0;
        for (let c = segment.begin; c < segment.end; c++) {
          sum += (dy[n * ldy + c] as number) * (b[(segment.row + c - segment.begin) * rank + j] as number);
        }
        du[n * ru + segment.u + j] = scale * sum;
      }
    }
  }
  return du;
}

/** The sums that are added to da (ru, K) and db (rowsB, rank). */
export function loraBackwardAb(
  inputs: { readonly x: Numbers; readonly dy: Numbers; readonly u: Numbers; readonly du: Numbers },
  shape: Shape,
  ldy: number,
  rowsB: number,
  scale: number,
  segments: readonly LoraSegment[],
  mask?: Mask,
): { da: Float64Array; db: Float64Array } {
  const { N, K, ldx, column, ru, rank } = shape;
  const { x, dy, u, du } = inputs;
  const da = new Float64Array(ru * K);
  const db = new Float64Array(rowsB * rank);
  for (const segment of segments) {
    for (let i = 0; i < rank * K; i++) {
      const [j, k] = [segment.u + Math.floor(i / K), i % K];
      for (let n = 0; n < N; n++) {
        const value = (x[n * ldx + column + k] as number) * dropFactor(mask, n, Math.floor(j / rank), k);
        da[j * K + k] = (da[j * K + k] as number) + (du[n * ru + j] as number) * value;
      }
    }
    for (let i = 0; i < (segment.end - segment.begin) * rank; i++) {
      const [c, j, at] = [segment.begin + Math.floor(i / rank), i % rank, segment.row * rank + i];
      for (let n = 0; n < N; n++) {
        const value = (dy[n * ldy + c] as number) * (u[n * ru + segment.u + j] as number);
        db[at] = (db[at] as number) + scale * value;
      }
    }
  }
  return { da, db };
}

/** The sums that are added to dx (N, K): sum_j du[n, j] a[j, k] drop_j[n, k]. */
export function loraBackwardX(du: Numbers, a: Numbers, shape: Shape, mask?: Mask): Float64Array {
  const { N, K, ru, rank } = shape;
  const dx = new Float64Array(N * K);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      for (let j = 0; j < ru; j++) {
        const factor = dropFactor(mask, n, Math.floor(j / rank), k);
        dx[n * K + k] =
          (dx[n * K + k] as number) + (du[n * ru + j] as number) * (a[j * K + k] as number) * factor;
      }
    }
  }
  return dx;
}
