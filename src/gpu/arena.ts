import { AppError } from "../lib/errors.ts";
import { alignedBytes, type Tensor } from "./tensor.ts";

/** A tensor of a recording and the operations (inclusive) between which its bytes must be kept. */
export interface Lifetime {
  readonly tensor: Tensor;
  readonly first: number;
  readonly last: number;
}

export interface Slot {
  readonly tensor: Tensor;
  readonly chunk: number;
  readonly offset: number;
}

export interface Layout {
  readonly slots: readonly Slot[];
  /** Bytes needed in each chunk (a buffer of its own). */
  readonly chunks: readonly number[];
}

/**
 * Gives each tensor an offset so that tensors alive at the same time never overlap: largest first, at the lowest free
 * offset, in the first chunk where it fits. Deterministic, so the same recording always has the same plan.
 * Throws `gpu-out-of-memory` when one tensor alone is larger than a binding may be.
 */
export function layOut(lifetimes: readonly Lifetime[], maxChunk: number, maxBinding: number): Layout {
  const order = lifetimes
    .map((lifetime, index) => ({
      ...lifetime,
      index,
      bytes: Math.max(256, alignedBytes(lifetime.tensor.bytes)),
    }))
    .sort((a, b) => b.bytes - a.bytes || a.index - b.index);
  const chunks: { placed: { first: number; last: number; offset: number; end: number }[]; size: number }[] =
    [];
  const slots: Slot[] = [];
  for (const { tensor, first, last, bytes } of order) {
    if (bytes > Math.min(maxChunk, maxBinding)) {
      throw new AppError(
        "gpu-out-of-memory",
        `${tensor.label} needs ${bytes} bytes in one piece; this GPU allows ${Math.min(maxChunk, maxBinding)}. ` +
          "Use a smaller batch or a shorter maximum length.",
        { details: { tensor: tensor.label, bytes } },
      );
    }
    for (let c = 0; ; c++) {
      const chunk = chunks[c] ?? { placed: [], size: 0 };
      if (c === chunks.length) chunks.push(chunk);
      const offset = lowestFree(chunk.placed, first, last, bytes);
      if (offset + bytes > maxChunk) continue;
      chunk.placed.push({ first, last, offset, end: offset + bytes });
      chunk.size = Math.max(chunk.size, offset + bytes);
      slots.push({ tensor, chunk: c, offset });
      break;
    }
  }
  return { slots, chunks: chunks.map((chunk) => chunk.size) };
}

function lowestFree(
  placed: readonly { first: number; last: number; offset: number; end: number }[],
  first: number,
  last: number,
  bytes: number,
): number {
  const busy = placed.filter((p) => p.first <= last && first <= p.last).sort((a, b) => a.offset - b.offset);
  let offset = 0;
  for (const p of busy) {
    if (p.offset - offset >= bytes) return offset;
    offset = Math.max(offset, p.end);
  }
  return offset;
}
