import type { Asset } from "../host/host.ts";
import { memoryAsset } from "../host/memory.ts";
import { AppError } from "../lib/errors.ts";

/** Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3, little-endian. */
const MAGIC = 0x46554747;
const VERSION = 3;
const ALIGNMENT = 32;
const TYPE_U32 = 4;
const TYPE_F32 = 6;
const TYPE_STRING = 8;
const TENSOR_F32 = 0;

export type GgufValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "f32"; readonly value: number }
  | { readonly type: "u32"; readonly value: number };

export interface GgufTensor {
  readonly name: string;
  /** Row-major, outermost first; the file has them the other way round. */
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

export interface GgufFile {
  readonly values: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
}

/** A GGUF file of float32 tensors, in the order given. The same content gives the same bytes. */
export function writeGguf(
  name: string,
  values: ReadonlyMap<string, GgufValue>,
  tensors: readonly GgufTensor[],
): Asset {
  const head = new Writer();
  head.u32(MAGIC);
  head.u32(VERSION);
  head.u64(tensors.length);
  head.u64(values.size);
  for (const [key, value] of values) {
    head.text(key);
    if (value.type === "string") {
      head.u32(TYPE_STRING);
      head.text(value.value);
    } else if (value.type === "f32") {
      head.u32(TYPE_F32);
      head.f32(value.value);
    } else {
      head.u32(TYPE_U32);
      head.u32(value.value);
    }
  }
  let offset = 0;
  for (const tensor of tensors) {
    head.text(tensor.name);
    head.u32(tensor.shape.length);
    for (const size of [...tensor.shape].reverse()) head.u64(size);
    head.u32(TENSOR_F32);
    head.u64(offset);
    offset = aligned(offset + tensor.data.byteLength);
  }
  const start = aligned(head.size);
  const bytes = new Uint8Array(start + offset);
  head.copyTo(bytes);
  let at = start;
  for (const { data } of tensors) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at = aligned(at + data.byteLength);
  }
  return memoryAsset(name, bytes);
}

const aligned = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT;

class Writer {
  readonly #parts: Uint8Array[] = [];
  size = 0;

  #number(bytes: number, write: (view: DataView) => void): void {
    const view = new DataView(new ArrayBuffer(bytes));
    write(view);
    this.#add(new Uint8Array(view.buffer));
  }

  #add(part: Uint8Array): void {
    this.#parts.push(part);
    this.size += part.length;
  }

  u32(value: number): void {
    this.#number(4, (view) => view.setUint32(0, value, true));
  }

  u64(value: number): void {
    this.#number(8, (view) => view.setBigUint64(0, BigInt(value), true));
  }

  f32(value: number): void {
    this.#number(4, (view) => view.setFloat32(0, value, true));
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.u64(bytes.length);
    this.#add(bytes);
  }

  copyTo(target: Uint8Array): void {
    let at = 0;
    for (const part of this.#parts) {
      target.set(part, at);
      at += part.length;
    }
  }
}

/**
 * Reads a file of the kind that writeGguf makes, with all its tensors. Throws `file-invalid` for a file that is cut, has other
 * types, or whose tensors overlap, are not aligned or leave the file.
 */
export async function readGguf(asset: Asset): Promise<GgufFile> {
  const bytes = await asset.read(0, asset.size);
  const refuse = (why: string) => new AppError("file-invalid", `${asset.name}: ${why}`);
  try {
    return parse(bytes, refuse);
  } catch (cause) {
    throw cause instanceof RangeError ? refuse("it was cut short.") : cause;
  }
}

class Reader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #take(size: number): number {
    const from = this.at;
    this.at += size;
    return from;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  f32(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  text(): string {
    const size = this.u64();
    if (this.at + size > this.#bytes.length) throw new RangeError("a text is longer than the file");
    const from = this.#take(size);
    return new TextDecoder().decode(this.#bytes.subarray(from, from + size));
  }

  value(key: string, refuse: Refuse): GgufValue {
    const type = this.u32();
    switch (type) {
      case TYPE_STRING:
        return { type: "string", value: this.text() };
      case TYPE_F32:
        return { type: "f32", value: this.f32() };
      case TYPE_U32:
        return { type: "u32", value: this.u32() };
      default:
        throw refuse(`${key} is of type ${type}, which is not read here.`);
    }
  }

  tensor(refuse: Refuse): {
    readonly name: string;
    readonly shape: readonly number[];
    readonly offset: number;
  } {
    const name = this.text();
    const sizes = Array.from({ length: Math.min(this.u32(), 8) }, () => this.u64());
    const type = this.u32();
    if (type !== TENSOR_F32) throw refuse(`${name} is of type ${type}, which is not read here.`);
    return { name, shape: sizes.reverse(), offset: this.u64() };
  }
}

type Refuse = (why: string) => AppError;

function parse(bytes: Uint8Array<ArrayBuffer>, refuse: Refuse): GgufFile {
  const reader = new Reader(bytes);
  if (reader.u32() !== MAGIC || reader.u32() !== VERSION)
    throw refuse("it does not start as GGUF version 3 does.");
  const [tensorCount, valueCount] = [reader.u64(), reader.u64()];
  const values = new Map<string, GgufValue>();
  for (let i = 0; i < valueCount; i++) {
    const key = reader.text();
    values.set(key, reader.value(key, refuse));
  }
  const infos: ReturnType<Reader["tensor"]>[] = [];
  for (let i = 0; i < tensorCount; i++) infos.push(reader.tensor(refuse));
  const start = aligned(reader.at);
  let end = 0;
  const tensors = infos.map(({ name, shape, offset }) => {
    if (offset !== aligned(end)) throw refuse(`${name} lies at ${offset}, not at ${aligned(end)}.`);
    end = offset + shape.reduce((product, n) => product * n, 4);
    if (start + end > bytes.length) throw new RangeError(name);
    const data = new Float32Array(bytes.slice(start + offset, start + end).buffer);
    return { name, shape, data };
  });
  if (start + aligned(end) !== bytes.length) throw refuse("bytes after the last tensor belong to none.");
  return { values, tensors };
}
