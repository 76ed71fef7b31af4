/** Elements that share a scale, and scales that share a scale of their own. */
const BLOCK = 64;
const SCALE_BLOCK = 256;

/**
 * The 16 values of NormalFloat4, ascending: quantiles of the normal distribution, scaled to [-1, 1], with an exact zero.
 * Source: Dettmers et al., arXiv:2305.14314, appendix E; the digits are those of bitsandbytes.
 */
export const NF4_VALUES: Float32Array<ArrayBuffer> = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
);

/** Code i ends at the i-th bound, itself included. In f64: the mean of two floats need not be a float. */
const BOUNDS: Float64Array = Float64Array.from(
  { length: 15 },
  (_, i) => ((NF4_VALUES[i] ?? 0) + (NF4_VALUES[i + 1] ?? 0)) / 2,
);

/** Where the parts lie in the buffer, in words; the codes are at 0. What the kernels call Nf4Layout. */
export interface Nf4Parts {
  /** 8-bit codes of the block scales, 4 a word, low byte first. */
  readonly scaleCodes: number;
  /** One f32 for each 256 block scales. */
  readonly scales: number;
  /** The 256 f32 of the dynamic map. */
  readonly map: number;
  /** Added to each block scale. An f32. */
  readonly offset: number;
}

/** A matrix in four bits with double quantisation: the one buffer of words that a `Weight` binds, and where its parts lie. */
export interface Nf4 {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly layout: Nf4Parts;
}

/** Codes, one a byte, and the largest magnitude of each block of 64; the last block may be short. */
export interface Nf4Blocks {
  readonly codes: Uint8Array<ArrayBuffer>;
  readonly absmax: Float32Array<ArrayBuffer>;
}

/** How many bounds are below x, in four steps; x on a bound takes the lower code. */
function nearestCode(x: number): number {
  let code = 0;
  for (let width = 8; width > 0; width >>= 1) {
    if (x > (BOUNDS[code + width - 1] ?? 1)) code += width;
  }
  return code;
}

/**
 * The row-major flattened matrix in blocks of 64: absmax, and the nearest of the 16 values to x / absmax, ties to the lower
 * one. A block of zeros has absmax 0 and code 7. Source: bitsandbytes, quantize_4bit.
 */
export function nf4Blocks(values: Float32Array): Nf4Blocks {
  const absmax = new Float32Array(Math.ceil(values.length / BLOCK));
  const codes = new Uint8Array(values.length);
  for (let block = 0; block < absmax.length; block++) {
    const start = block * BLOCK;
    const end = Math.min(start + BLOCK, values.length);
    let largest = 0;
    for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(values[i] ?? 0));
    absmax[block] = largest;
    // 1 / absmax of a subnormal is infinite, and infinity times zero is no number: dividing has neither trouble.
    for (let i = start; i < end; i++) codes[i] = largest > 0 ? nearestCode((values[i] ?? 0) / largest) : 7;
  }
  return { codes, absmax };
}

/** values[code] * absmax in f32, without double quantisation. */
export function dequantizeNf4Blocks({ codes, absmax }: Nf4Blocks): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    codes,
    (code, i) => (NF4_VALUES[code] ?? 0) * (absmax[Math.floor(i / BLOCK)] ?? 0),
  );
}

/**
 * The signed 8-bit dynamic map, ascending: for i = 0..6 the 2^i midpoints of 2^i equal parts of [0.1, 1], times 10^(i - 6),
 * with both signs; and 0 and 1. Source: Dettmers et al., arXiv:2110.02861, section 1.3; bitsandbytes, create_dynamic_map.
 */
export function signedDynamicMap(): Float32Array<ArrayBuffer> {
  const map = [0, 1];
  for (let i = 0; i < 7; i++) {
    const parts = 2 ** i;
    for (let part = 0; part < parts; part++) {
      const value = (0.1 + (0.9 * (part + 0.5)) / parts) * 10 ** (i - 6);
      map.push(value, -value);
    }
  }
  return Float32Array.from(map).sort();
}

/** The index of the nearest value of an ascending map, ties to the lower one. */
function nearestIndex(map: Float32Array, x: number): number {
  let low = 0;
  let high = map.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((map[middle] ?? 0) <= x) low = middle;
    else high = middle;
  }
  return x - (map[low] ?? 0) <= (map[high] ?? 0) - x ? low : high;
}

/** Where the parts lie for a matrix of `elements` elements, and the words they take together. The offset is not known yet. */
export function nf4Layout(elements: number): Omit<Nf4Parts, "offset"> & { readonly words: number } {
  const blocks = Math.ceil(elements / BLOCK);
  const scaleCodes = Math.ceil(elements / 8);
  const scales = scaleCodes + Math.ceil(blocks / 4);
  const map = scales + Math.ceil(blocks / SCALE_BLOCK);
  return { scaleCodes, scales, map, words: map + 256 };
}

/**
 * The second quantisation of QLoRA: the mean of the blocks' absmax is subtracted, and the rest is kept in 8 bits of the
 * dynamic map with an f32 scale for each 256 blocks. `words` are those behind the codes of a matrix of `elements` elements:
 * scale codes, scales and map. Source: Dettmers et al., arXiv:2305.14314, section 3.
 */
export function quantizeScales(absmax: Float32Array, elements: number): Nf4 {
  const { scaleCodes, scales, map: mapAt, words: size } = nf4Layout(elements);
  const words = new Uint32Array(size - scaleCodes);
  const floats = new Float32Array(words.buffer);
  const map = signedDynamicMap();
  floats.set(map, mapAt - scaleCodes);
  const offset = Math.fround(absmax.reduce((sum, value) => sum + value, 0) / Math.max(1, absmax.length));
  const rest = absmax.map((value) => value - offset);
  for (let start = 0; start < rest.length; start += SCALE_BLOCK) {
    const end = Math.min(start + SCALE_BLOCK, rest.length);
    let largest = 0;
    for (let b = start; b < end; b++) largest = Math.max(largest, Math.abs(rest[b] ?? 0));
    floats[scales - scaleCodes + start / SCALE_BLOCK] = largest;
    for (let b = start; b < end; b++) {
      const code = nearestIndex(map, largest > 0 ? (rest[b] ?? 0) / largest : 0);
      words[b >> 2] = (words[b >> 2] ?? 0) | (code << (8 * (b & 3)));
    }
  }
  return { words, layout: { scaleCodes, scales, map: mapAt, offset } };
}

/** Quantises a row-major matrix to NF4 with double quantisation. What shaders/quantize does on the GPU, to the bit. */
export function quantizeNf4(values: Float32Array): Nf4 {
  const { codes, absmax } = nf4Blocks(values);
  const { words: behind, layout } = quantizeScales(absmax, values.length);
  const words = new Uint32Array(layout.scaleCodes + behind.length);
  for (let i = 0; i < codes.length; i++) {
    words[i >> 3] = (words[i >> 3] ?? 0) | ((codes[i] ?? 0) << (4 * (i & 7)));
  }
  words.set(behind, layout.scaleCodes);
  return { words, layout };
}

/** The f32 scale of each block of 64, rounded after the product and after the sum as a shader without fused operations does. */
export function nf4Scales({ words, layout }: Nf4, elements: number): Float32Array<ArrayBuffer> {
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  return Float32Array.from({ length: Math.ceil(elements / BLOCK) }, (_, b) => {
    const code = ((words[layout.scaleCodes + (b >> 2)] ?? 0) >>> (8 * (b & 3))) & 255;
    const scale = floats[layout.scales + Math.floor(b / SCALE_BLOCK)] ?? 0;
    return Math.fround((floats[layout.map + code] ?? 0) * scale) + layout.offset;
  });
}

/** The matrix again, in f32: values[code] * scale of its block. The offset of the layout is a float, as in the shaders. */
export function dequantizeNf4(quantized: Nf4, elements: number): Float32Array<ArrayBuffer> {
  const scales = nf4Scales(quantized, elements);
  const values = new Float32Array(elements);
  for (let i = 0; i < elements; i++) {
    const code = ((quantized.words[i >> 3] ?? 0) >>> (4 * (i & 7))) & 15;
    values[i] = (NF4_VALUES[code] ?? 0) * (scales[i >> 6] ?? 0);
  }
  return values;
}
