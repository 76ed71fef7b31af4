import type { Capabilities } from "../gpu/capabilities.ts";

/**
 * Which variants of the kernels a run uses. Plain data, chosen before the first step, stored with the run and its
 * checkpoints: resuming never chooses again, so the bits stay the same.
 */
export interface KernelProfile {
  /** CPU adapters run without workgroup memory and with large register tiles. */
  readonly kind: "gpu" | "cpu";
  /** Threads that share a row in normalisations and other row reductions. */
  readonly rowThreads: number;
  /** Queries (and keys) in one tile of the attention kernels; the tile table is made for it. */
  readonly attentionTile: number;
}

export function profileFor(capabilities: Pick<Capabilities, "kind">): KernelProfile {
  return capabilities.kind === "cpu"
    ? { kind: "cpu", rowThreads: 1, attentionTile: 16 }
    : { kind: "gpu", rowThreads: 64, attentionTile: 16 };
}
