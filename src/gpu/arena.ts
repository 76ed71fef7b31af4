import { AppError } from "../lib/errors.ts";
import type { Gpu } from "./device.ts";
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
 * The memory in which programs that never run at the same time have their tensors. Nothing in it outlives a program, so
 * training, generation and scoring share one.
 */
export class Arena {
  readonly #gpu: Gpu;
  readonly #chunks: GPUBuffer[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /**
   * Buffers of at least these sizes. One that is too small stays for the programs that are bound to it, and a new one is
   * made: whoever knows what will be needed takes the largest first.
   */
  take(sizes: readonly number[]): readonly GPUBuffer[] {
    return sizes.map((bytes, i) => {
      const own = this.#chunks[i];
      if (own && own.size >= bytes) return own;
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const made = this.#gpu.createBuffer(`arena.${i}`, bytes, usage);
      this.#chunks[i] = made;
      return made;
    });
  }
}

/** Chunk by chunk the larger of each: what an arena must have for all of these to share it. */
export function sharedSizes(...all: readonly (readonly number[])[]): readonly number[] {
  const length = Math.max(0, ...all.map((sizes) => sizes.length));
  return Array.from({ length }, (_, i) => Math.max(...all.map((sizes) => sizes[i] ?? 0)));
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
        { details: { tensor: tensor.label, bytes, limit: Math.min(maxChunk, maxBinding) } },
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
