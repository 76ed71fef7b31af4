import type { Asset } from "../host/host.ts";
import { checkRange } from "../host/memory.ts";
import { AppError } from "../lib/errors.ts";
import { DTYPE_BYTES, encodeFloats, type FloatDtype } from "./dtype.ts";
import { planSafetensors, type TensorInfo } from "./safetensors.ts";

/** A tensor that is made when its place in the file is read. */
export interface TensorMaker extends TensorInfo {
  /** Bytes [start, end) of it, little-endian. The same range gives the same bytes. */
  bytes(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

export function tensorBytes({ dtype, shape }: Pick<TensorInfo, "dtype" | "shape">): number {
  return shape.reduce((product, n) => product * n, DTYPE_BYTES[dtype]);
}

/**
 * A safetensors file that is nowhere yet: what is read of it is made then, so that a whole model can be saved without being
 * held in memory. Throws `shape-mismatch` on reading when a tensor does not come with the bytes of its shape.
 */
export function safetensorsAsset(
  name: string,
  tensors: readonly TensorMaker[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): Asset {
  const makers = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  if (makers.size !== tensors.length)
    throw new AppError("shape-mismatch", `${name}: a tensor name was given twice.`);
  const { header, order, size } = planSafetensors(tensors, metadata);
  const pieces: { start: number; end: number; make: TensorMaker["bytes"] }[] = [
    { start: 0, end: header.length, make: async (from, to) => header.slice(from, to) },
  ];
  for (const info of order) {
    const start = pieces.at(-1)?.end ?? 0;
    const make: TensorMaker["bytes"] = async (from, to) => {
      const bytes = (await makers.get(info.name)?.bytes(from, to)) ?? new Uint8Array();
      if (bytes.length === to - from) return bytes;
      throw new AppError(
        "shape-mismatch",
        `${info.name}: ${bytes.length} bytes came for bytes ${from} to ${to} of [${info.shape.join(", ")}] ${info.dtype}.`,
      );
    };
    pieces.push({ start, end: start + tensorBytes(info), make });
  }
  const read = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
    if (!(start >= 0 && start <= end && end <= size))
      return checkRange(name, size, start, end, new Uint8Array());
    const bytes = new Uint8Array(end - start);
    for (const piece of pieces) {
      if (piece.end <= start || piece.start >= end) continue;
      const from = Math.max(start, piece.start);
      const to = Math.min(end, piece.end);
      bytes.set(await piece.make(from - piece.start, to - piece.start), from - start);
    }
    return bytes;
  };
  return { name, size, read };
}

/** A tensor whose values are here already, to be stored as `dtype`. */
export function floatsMaker(
  info: Pick<TensorInfo, "name" | "shape">,
  values: Float32Array<ArrayBuffer>,
  dtype: FloatDtype = "F32",
): TensorMaker {
  const size = DTYPE_BYTES[dtype];
  return {
    ...{ name: info.name, shape: info.shape, dtype },
    bytes: async (start, end) => {
      const first = Math.floor(start / size);
      const some = encodeFloats(values.subarray(first, Math.ceil(end / size)), dtype);
      return some.subarray(start - first * size, end - first * size);
    },
  };
}
