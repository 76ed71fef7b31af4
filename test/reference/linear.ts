/** CPU oracles for shaders/linear/*.wgsl: plain loops in float64, and the packing of weights. */
import type { LoraTerm, Nf4Layout, WeightFormat } from "../../src/kernels/linear/weight.ts";
import { hash, unit } from "../../src/lib/random.ts";

/** Dettmers et al., arXiv:2305.14314, appendix E. */
export const NF4_CODEBOOK = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

export interface Packed {
  readonly words: Uint32Array;
  /** What the words stand for. */
  readonly values: Float64Array;
  readonly nf4?: Nf4Layout;
}

export function packWeight(format: WeightFormat, values: readonly number[]): Packed {
  if (format === "nf4") return packNf4(values);
  if (format === "f32") {
    const floats = Float32Array.from(values);
    return { words: new Uint32Array(floats.buffer), values: Float64Array.from(floats) };
  }
  const halves = values.map((v) => (format === "bf16" ? bf16Bits(v) : f16Bits(v)));
  const words = new Uint32Array(Math.ceil(values.length / 2));
  halves.forEach((bits, i) => {
    words[i >> 1] = ((words[i >> 1] ?? 0) | (bits << (16 * (i % 2)))) >>> 0;
  });
  return { words, values: Float64Array.from(halves, format === "bf16" ? bf16Value : f16Value) };
}

function bf16Bits(v: number): number {
  return (new Uint32Array(Float32Array.of(v).buffer)[0] ?? 0) >>> 16;
}

function bf16Value(bits: number): number {
  return new Float32Array(Uint32Array.of((bits << 16) >>> 0).buffer)[0] ?? 0;
}

/** Truncates; only for |v| in [2^-14, 2) or smaller values, which become subnormal. */
function f16Bits(v: number): number {
  const sign = v < 0 ? 0x8000 : 0;
  const size = Math.abs(v);
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 1e-30)));
  const mantissa = Math.floor((size / 2 ** exponent) * 1024);
  return sign | (mantissa < 1024 ? mantissa : ((exponent + 15) << 10) | (mantissa - 1024));
}

function f16Value(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const size = exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}

/** Not a good quantiser, but one that reaches every part of the layout: codes, scale codes, scales, map, offset. */
function packNf4(values: readonly number[]): Packed {
  const blocks = Math.ceil(values.length / 64);
  const codeWords = Math.ceil(values.length / 8);
  const scaleWords = Math.ceil(blocks / 4);
  const groups = Math.ceil(blocks / 256);
  const layout = {
    scaleCodes: codeWords,
    scales: codeWords + scaleWords,
    map: codeWords + scaleWords + groups,
    offset: Math.fround(0.75),
  };
  const words = new Uint32Array(layout.map + 256);
  const floats = new Float32Array(words.buffer);
  for (let i = 0; i < 256; i++) floats[layout.map + i] = (i - 127) / 128;
  for (let g = 0; g < groups; g++) floats[layout.scales + g] = 0.25 + 0.125 * g;
  const put = (word: number, shift: number, code: number) => {
    words[word] = ((words[word] ?? 0) | (code << shift)) >>> 0;
  };
  for (let b = 0; b < blocks; b++) put(layout.scaleCodes + (b >> 2), 8 * (b % 4), (b * 37 + 5) % 256);
  const decoded = Float64Array.from(values, (value, i) => {
    const b = Math.floor(i / 64);
    const mapped = floats[layout.map + ((b * 37 + 5) % 256)] ?? 0;
    const scale = mapped * (floats[layout.scales + Math.floor(b / 256)] ?? 0) + layout.offset;
    const distances = NF4_CODEBOOK.map((c) => Math.abs(c * scale - value));
    const code = distances.indexOf(Math.min(...distances));
    put(i >> 3, 4 * (i % 8), code);
    return (NF4_CODEBOOK[code] ?? 0) * scale;
  });
  return { words, values: decoded, nf4: layout };
}

export interface LinearCase {
  readonly rows: number;
  readonly x: readonly number[];
  readonly ldx: number;
  readonly xColumn: number;
  /** Row-major (M, K). */
  readonly weight: Float64Array;
  readonly M: number;
  readonly K: number;
  readonly ldy: number;
  readonly yColumn: number;
  /** y before, for `accumulate`. */
  readonly before?: readonly number[];
  readonly bias?: readonly number[];
  readonly residual?: readonly number[];
  readonly lora?: Omit<LoraTerm, "u" | "matrix"> & {
    readonly u: readonly number[];
    readonly ldu: number;
    readonly matrix: readonly number[];
  };
  readonly dropout?: {
    readonly rate: number;
    readonly tag: number;
    readonly seed: number;
    readonly step: number;
    readonly keys: readonly number[];
  };
}

const at = (values: ArrayLike<number> | undefined, i: number) => values?.[i] ?? 0;

/** The columns that linear_nt makes, (rows, M). */
export function linearNt(c: LinearCase): Float64Array {
  return linear(c, c.M, c.K, (m, k) => at(c.weight, m * c.K + k));
}

/** The columns that linear_nn makes, (rows, K). */
export function linearNn(c: LinearCase): Float64Array {
  return linear(c, c.K, c.M, (k, m) => at(c.weight, m * c.K + k));
}

function linear(c: LinearCase, outputs: number, sum: number, w: (out: number, i: number) => number) {
  const y = new Float64Array(c.rows * outputs);
  for (let n = 0; n < c.rows; n++) {
    for (let o = 0; o < outputs; o++) {
      const place = n * c.ldy + c.yColumn + o;
      let total = at(c.bias, o) + at(c.residual, place) + at(c.before, place) + loraAt(c, n, o);
      for (let i = 0; i < sum; i++) total += at(c.x, n * c.ldx + c.xColumn + i) * w(o, i);
      y[n * outputs + o] = total;
    }
  }
  return y;
}

function loraAt({ lora, dropout, yColumn }: LinearCase, n: number, o: number): number {
  const column = yColumn + o;
  const segment = lora?.segments.find(({ begin, end }) => column >= begin && column < end);
  if (!lora || !segment) return 0;
  let total = 0;
  for (let j = 0; j < lora.rank; j++) {
    const index = (column - segment.begin + segment.row) * lora.columnStride + j * lora.rankStride;
    const part = Math.floor((segment.u + j) / (lora.ranksPerSegment ?? lora.rank));
    const keep = dropout ? dropoutFactor(dropout, at(dropout.keys, n), part, o) : 1;
    total += keep * at(lora.u, n * lora.ldu + segment.u + j) * at(lora.matrix, index);
  }
  return lora.scale * total;
}

export function dropoutFactor(
  { rate, tag, seed, step }: { rate: number; tag: number; seed: number; step: number },
  key: number,
  part: number,
  channel: number,
): number {
  return unit(hash(seed, step, key, tag + part, channel)) < Math.fround(rate) ? 0 : 1 / (1 - rate);
}

export interface BackwardWCase {
  readonly rows: number;
  readonly x: readonly number[];
  readonly ldx: number;
  readonly xColumn: number;
  readonly dy: readonly number[];
  readonly ldy: number;
  readonly dyColumn: number;
  /** dw before, (M, K). */
  readonly before: readonly number[];
  readonly M: number;
  readonly K: number;
}

export function linearBackwardW(c: BackwardWCase): Float64Array {
  return Float64Array.from(c.before, (sum, i) => {
    const [m, k] = [Math.floor(i / c.K), i % c.K];
    let total = sum;
    for (let n = 0; n < c.rows; n++) {
      total += at(c.dy, n * c.ldy + c.dyColumn + m) * at(c.x, n * c.ldx + c.xColumn + k);
    }
    return total;
  });
}

export function biasBackward(
  dy: readonly number[],
  before: readonly number[],
  { rows, ldy, dyColumn }: Pick<BackwardWCase, "rows" | "ldy" | "dyColumn">,
): Float64Array {
  return Float64Array.from(before, (sum, m) => {
    let total = sum;
    for (let n = 0; n < rows; n++) total += at(dy, n * ldy + dyColumn + m);
    return total;
  });
}
