import { DTYPE_BYTES, decodeFloats, encodeFloats } from "../../formats/dtype.ts";
import type { TensorSource } from "../../formats/safetensors.ts";
import { hash, pcg, Random } from "../../lib/random.ts";
import type { ModelSpec } from "../../model/spec.ts";
import { weightEntries } from "../../model/trainable_weights.ts";

export type RandomDtype = "F32" | "F16" | "BF16";

export interface RandomOptions {
  readonly seed: number;
  readonly dtype: RandomDtype;
  /** Of everything but the weights of norms, which are one. */
  readonly deviation: number;
}

/** Values to draw from; their index is half of a random word. */
const DRAWS = 65536;

/** The tensors that a model needs, by the names of its file. */
export function tensorsOf(spec: ModelSpec): readonly { name: string; shape: readonly number[] }[] {
  return weightEntries(spec, Number.POSITIVE_INFINITY).flatMap(({ names }) => names);
}

/**
 * Random weights for a model, made where they are read: an element is a function of the seed, its tensor and its place, so
 * that a model of any size takes no memory. Normal with mean 0; the weights of norms multiply by one.
 */
export function randomTensors(spec: ModelSpec, { seed, dtype, deviation }: RandomOptions): TensorSource[] {
  const random = new Random(seed);
  const normals = Float32Array.from({ length: DRAWS }, () => deviation * random.normal());
  const table = elementsOf(encodeFloats(normals, dtype), dtype);
  const one = elementsOf(encodeFloats(Float32Array.of(1 - spec.norm.offset), dtype), dtype);
  return tensorsOf(spec).map(({ name, shape }, i): TensorSource => {
    const isNorm = shape.length === 1 && name.endsWith("weight");
    const size = DTYPE_BYTES[dtype];
    const byteLength = shape.reduce((product, n) => product * n, size);
    const bytes = async (start = 0, end = byteLength) => {
      const first = Math.floor(start / size);
      const last = Math.ceil(end / size);
      const elements = size === 4 ? new Uint32Array(last - first) : new Uint16Array(last - first);
      if (isNorm) elements.fill(one[0] ?? 0);
      else draw(elements, first, table, hash(seed, i));
      return new Uint8Array(elements.buffer).subarray(start - first * size, end - first * size);
    };
    const floats = async (start = 0, end = byteLength / size) =>
      decodeFloats(await bytes(start * size, end * size), dtype, name);
    return { name, dtype, shape, file: "random weights", byteLength, bytes, floats };
  });
}

type Elements = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

function elementsOf({ buffer }: Uint8Array<ArrayBuffer>, dtype: RandomDtype): Elements {
  return dtype === "F32" ? new Uint32Array(buffer) : new Uint16Array(buffer);
}

function draw(elements: Elements, first: number, table: Elements, key: number): void {
  for (let i = 0; i < elements.length; i++) {
    const at = first + i;
    const word = pcg((at >>> 1) ^ key);
    elements[i] = table[at & 1 ? word >>> 16 : word & 0xffff] ?? 0;
  }
}
