import type { Gpu } from "../gpu/device.ts";
import type { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../gpu/tensor.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { ropeTable } from "../kernels/rope/tables.ts";
import { invariant } from "../lib/errors.ts";
import type { Capacity, TableName } from "./batch_tables.ts";
import type { Adapter, LayerAdapter } from "./lora.ts";
import { longFrom, type ModelSpec } from "./spec.ts";
import type { LayerWeights, ModelWeights } from "./weights.ts";

/** Everything that recording a pass over the model needs; nothing in it changes while a program is recorded. */
export interface ModelContext {
  readonly recorder: Recorder;
  readonly profile: KernelProfile;
  readonly spec: ModelSpec;
  readonly weights: ModelWeights;
  /** Undefined runs the model as it is in the file: how the reference of a fresh adapter is computed. */
  readonly adapter: Adapter | undefined;
  /** The rotary tables, (positions, rotary), by their name in the spec. */
  readonly rope: Readonly<Record<string, Tensor>>;
  readonly tables: Readonly<Record<TableName, Tensor>>;
  readonly capacity: Capacity;
  /** The gradient tensor of a trainable parameter; undefined for what is frozen. */
  readonly gradOf: (param: Tensor) => Tensor | undefined;
  /** Adapter dropout and NEFTune noise are active. Only in the training pass of SFT. */
  readonly noisy: boolean;
}

/**
 * Uploads the rotary tables of a model for positions below `positions`. Where long sequences have tables of their own, these
 * follow from row `longFrom` on.
 */
export function uploadRope(gpu: Gpu, spec: ModelSpec, positions: number): Record<string, Tensor> {
  const short = Math.min(positions, longFrom(spec));
  const rows = positions > short ? short + positions : short;
  return Object.fromEntries(
    Object.entries(spec.rope).map(([name, angles]) => {
      const table = gpu.tensor(`rope.${name}`, [rows, angles.rotary]);
      gpu.upload(table, ropeTable({ ...angles, positions: short }));
      if (rows > short)
        gpu.upload(table, ropeTable({ ...angles, positions, long: true }), 4 * short * angles.rotary);
      return [name, table];
    }),
  );
}

/** The weights of a layer, and its adapters where there are any. */
export function layerOf(
  { weights, adapter }: ModelContext,
  layer: number,
): { readonly weights: LayerWeights; readonly adapter: LayerAdapter | undefined } {
  const found = weights.layers[layer];
  invariant(found, `no layer ${layer}`);
  return { weights: found, adapter: adapter?.layers[layer] };
}
