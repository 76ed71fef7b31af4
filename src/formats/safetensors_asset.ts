import type { Asset } from "../host/host.ts";
import { checkRange } from "../host/memory.ts";
import { AppError } from "../lib/errors.ts";
import { DTYPE_BYTES } from "./dtype.ts";
import { planSafetensors, type TensorInfo } from "./safetensors.ts";

/** A tensor that is made when its place in the file is read. */
export interface TensorMaker extends TensorInfo {
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * A safetensors file that is nowhere yet: read from start to end it makes each tensor once and holds one at a time, so
 * that a whole model can be saved from the GPU without being held in memory. Throws `shape-mismatch` on reading when a
 * tensor does not come with the bytes of its shape.
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
  const pieces: { start: number; end: number; make: () => Promise<Uint8Array<ArrayBuffer>> }[] = [
    { start: 0, end: header.length, make: () => Promise.resolve(header) },
  ];
  for (const { name: tensor, dtype, shape } of order) {
    const start = pieces.at(-1)?.end ?? 0;
    const end = start + shape.reduce((product, n) => product * n, DTYPE_BYTES[dtype]);
    const make = async () => {
      const bytes = (await makers.get(tensor)?.bytes()) ?? new Uint8Array();
      if (bytes.length === end - start) return bytes;
      throw new AppError(
        "shape-mismatch",
        `${tensor}: ${bytes.length} bytes for [${shape.join(", ")}] ${dtype}.`,
      );
    };
    pieces.push({ start, end, make });
  }
  let held: { readonly start: number; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;
  const read = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
    if (!(start >= 0 && start <= end && end <= size))
      return checkRange(name, size, start, end, new Uint8Array());
    const bytes = new Uint8Array(end - start);
    for (const piece of pieces) {
      if (piece.end <= start || piece.start >= end) continue;
      if (held?.start !== piece.start) held = { start: piece.start, bytes: await piece.make() };
      const from = Math.max(start, piece.start);
      bytes.set(
        held.bytes.subarray(from - piece.start, Math.min(end, piece.end) - piece.start),
        from - start,
      );
    }
    return bytes;
  };
  return { name, size, read };
}
