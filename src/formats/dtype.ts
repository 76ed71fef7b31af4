import { AppError } from "../lib/errors.ts";

/**
 * Element types of safetensors with their size in bytes, in the format's own order of increasing alignment. The
 * reference writer sorts tensors by this order, largest first, so that every tensor starts aligned.
 * Source: safetensors 0.6, `Dtype` in tensor.rs (its sub-byte types are left out: nothing we read has them).
 */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  C64: 8,
  F64: 8,
  I64: 8,
  U64: 8,
} as const satisfies Record<string, number>;

export type Dtype = keyof typeof DTYPE_BYTES;

/** Position of each type in the order above. */
export const DTYPE_ORDER: ReadonlyMap<string, number> = new Map(
  Object.keys(DTYPE_BYTES).map((dtype, index) => [dtype, index]),
);

/** The types that weights are saved in. */
export type FloatDtype = "F32" | "F16" | "BF16";

export function isDtype(value: unknown): value is Dtype {
  return typeof value === "string" && DTYPE_ORDER.has(value);
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The value of IEEE binary16 bits. Exact: every half is a float. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** IEEE binary16 bits of a float32 value, rounded to nearest, ties to even. */
export function floatToHalf(value: number): number {
  float[0] = value;
  const word = bits[0] ?? 0;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal half: adding 2^-1 * 1.0 puts the wanted 10 bits at the bottom of the float, rounded by the hardware.
    float[0] = Math.abs(value) + 0.5;
    return sign | ((bits[0] ?? 0) - 0x3f000000);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** bfloat16 bits of a float32 value, rounded to nearest, ties to even. */
export function floatToBrain(value: number): number {
  float[0] = value;
  const word = bits[0] ?? 0;
  if ((word & 0x7fffffff) > 0x7f800000) return ((word >>> 16) | 0x40) & 0xffff;
  return ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff;
}

const halves: { table?: Float32Array } = {};

function halfTable(): Float32Array {
  halves.table ??= Float32Array.from({ length: 65536 }, (_, half) => halfToFloat(half));
  return halves.table;
}

/** The bytes as a view that starts aligned; copies only when it has to. */
function aligned(bytes: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer> {
  return bytes.byteOffset % size === 0 ? bytes : bytes.slice();
}

/**
 * Little-endian elements as float32. Exact for F32, F16 and BF16; F64 is rounded. F32 is a view where it lies aligned.
 * Throws `file-invalid` for a type that is not floating point or a byte count that is no whole number of elements.
 */
export function decodeFloats(
  source: Uint8Array<ArrayBuffer>,
  dtype: Dtype,
  name = "tensor",
): Float32Array<ArrayBuffer> {
  const size = DTYPE_BYTES[dtype];
  if (source.length % size !== 0) {
    throw new AppError("file-invalid", `${name}: ${source.length} bytes are no whole number of ${dtype}.`);
  }
  const bytes = aligned(source, size);
  const count = bytes.length / size;
  if (dtype === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  if (dtype === "F64") return Float32Array.from(new Float64Array(bytes.buffer, bytes.byteOffset, count));
  if (dtype !== "F16" && dtype !== "BF16") {
    throw new AppError("file-invalid", `${name} is ${dtype}; numbers in F32, F16, BF16 or F64 are needed.`, {
      details: { tensor: name, dtype },
    });
  }
  const words = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  const values = new Float32Array(count);
  if (dtype === "BF16") {
    const out = new Uint32Array(values.buffer);
    for (let i = 0; i < count; i++) out[i] = (words[i] ?? 0) << 16;
  } else {
    const table = halfTable();
    for (let i = 0; i < count; i++) values[i] = table[words[i] ?? 0] ?? 0;
  }
  return values;
}

/** float32 values as little-endian elements of a floating type, rounded to nearest even. F32 is a view, not a copy. */
export function encodeFloats(values: Float32Array<ArrayBuffer>, dtype: FloatDtype): Uint8Array<ArrayBuffer> {
  if (dtype === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const round = dtype === "F16" ? floatToHalf : floatToBrain;
  const words = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) words[i] = round(values[i] ?? 0);
  return new Uint8Array(words.buffer);
}
