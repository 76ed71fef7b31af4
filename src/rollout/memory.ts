import type { Capabilities } from "../gpu/capabilities.ts";
import { type DryBuffer, dryGpu } from "../gpu/dry_device.ts";
import { arenaBytes, programBytes } from "../gpu/program.ts";
import { alignedBytes } from "../gpu/tensor.ts";
import { type GeneratorOptions, makeParts, recordParts } from "./parts.ts";

/** What a generator takes beside the model. */
export interface GeneratorMemory {
  /** Bytes of keys and values. */
  readonly cache: number;
  /** Bytes of all else but the arena. */
  readonly tables: number;
  /** What it needs of the arena, chunk by chunk. */
  readonly arena: readonly number[];
  /** The bytes of each buffer but the arena's. */
  readonly buffers: readonly number[];
}

/**
 * From the code that allocates it, on a device that only counts. `weights` and `adapter` may come from such a device too.
 * Throws `gpu-out-of-memory` when one piece is larger than the device allows.
 */
export async function planGenerator(
  capabilities: Capabilities,
  options: GeneratorOptions,
): Promise<GeneratorMemory> {
  const live = new Set<DryBuffer>();
  const gpu = dryGpu(capabilities, live);
  const parts = await makeParts(gpu, options);
  const adapters = options.withBase && options.adapter ? [options.adapter, undefined] : [options.adapter];
  const recorders = adapters.flatMap((adapter) => recordParts(options, parts, adapter));
  const buffers = [...[...live].map(({ size }) => size), ...programBytes(recorders)];
  const cache = parts.cache.layers
    .flatMap(({ kCache, vCache }) => [kCache, vCache])
    .reduce((sum, tensor) => sum + Math.max(256, alignedBytes(tensor.bytes)), 0);
  const all = buffers.reduce((sum, bytes) => sum + bytes, 0);
  return { cache, tables: all - cache, arena: arenaBytes(gpu, recorders), buffers };
}
