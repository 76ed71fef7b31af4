import { type Capabilities, largestTensor } from "../gpu/capabilities.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { AppError } from "../lib/errors.ts";
import type { ModelSpec } from "../model/spec.ts";

/** Keys and values of every layer, (slots, maxLength, K D) f32 each: a slot for each sequence. */
export interface KvCache {
  readonly slots: number;
  readonly maxLength: number;
  readonly layers: readonly { readonly kCache: Tensor; readonly vCache: Tensor }[];
}

/**
 * How many sequences can run side by side: as many as asked for, or fewer where a layer's cache or the logits (one row
 * of the vocabulary each) would be more than a binding may hold. Throws `gpu-out-of-memory` when not even one fits.
 */
export function sequencesThatFit(
  capabilities: Pick<Capabilities, "limits">,
  spec: ModelSpec,
  wanted: number,
  maxLength: number,
): number {
  const binding = largestTensor(capabilities);
  const slotBytes = 4 * maxLength * spec.kvHeads * spec.headDim;
  const rows = Math.floor(binding / Math.max(slotBytes, 4 * spec.vocab));
  if (rows >= 1) return Math.min(rows, wanted);
  throw new AppError(
    "gpu-out-of-memory",
    `Keys of ${maxLength} tokens need ${slotBytes} bytes in one piece; this GPU allows ${binding}. ` +
      "Use a shorter maximum length.",
    { details: { bytes: slotBytes } },
  );
}

/** Throws `gpu-out-of-memory`. */
export function makeKvCache(gpu: Gpu, spec: ModelSpec, slots: number, maxLength: number): Promise<KvCache> {
  const shape = [slots, maxLength, spec.kvHeads * spec.headDim];
  return gpu.guarded("Keys and values", () => ({
    slots,
    maxLength,
    layers: spec.layers.map((_, layer) => ({
      kCache: gpu.tensor(`layer${layer}.kCache`, shape),
      vCache: gpu.tensor(`layer${layer}.vCache`, shape),
    })),
  }));
}
