import type { Capabilities } from "../gpu/device.ts";
import { dryGpu } from "../gpu/dry_device.ts";
import { programBytes } from "../gpu/program.ts";
import { type GeneratorOptions, makeParts, recordParts } from "./parts.ts";

/**
 * The GPU memory that a generator takes beside the model: caches, tables and scratch, from the code that allocates them on
 * a device that only counts. `weights` and `adapter` may come from such a device too.
 */
export async function generatorBytes(capabilities: Capabilities, options: GeneratorOptions): Promise<number> {
  const gpu = dryGpu(capabilities);
  const parts = await makeParts(gpu, options);
  const adapters = options.withBase && options.adapter ? [options.adapter, undefined] : [options.adapter];
  const recorders = adapters.flatMap((adapter) => recordParts(options, parts, adapter));
  return gpu.counts.bytes + programBytes(gpu, recorders);
}
