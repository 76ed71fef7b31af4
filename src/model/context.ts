import type { Gpu } from "../gpu/device.ts";
import type { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../gpu/tensor.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { ropeTables } from "../kernels/rope/tables.ts";
import type { Capacity, TableName } from "./batch_tables.ts";
import type { Adapter } from "./lora.ts";
import type { ModelSpec } from "./spec.ts";
import type { ModelWeights } from "./weights.ts";

/** Everything that recording a pass over the model needs; nothing in it changes while a program is recorded. */
export interface ModelContext {
  readonly recorder: Recorder;
  readonly profile: KernelProfile;
  readonly spec: ModelSpec;
  readonly weights: ModelWeights;
  /** Undefined runs the model as it is in the file: how the reference of a fresh adapter is computed. */
  readonly adapter: Adapter | undefined;
  readonly rope: Readonly<Record<string, RopeTensorPair>>;
  readonly tables: Readonly<Record<TableName, Tensor>>;
  readonly capacity: Capacity;
  /** The gradient tensor of a trainable parameter; undefined for what is frozen. */
  readonly gradOf: (param: Tensor) => Tensor | undefined;
  /** Adapter dropout and NEFTune noise are active. Only in the training pass of SFT. */
  readonly noisy: boolean;
}

export interface RopeTensorPair {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Uploads the rotary tables of a model for positions below `positions`. */
export function uploadRope(gpu: Gpu, spec: ModelSpec, positions: number): Record<string, RopeTensorPair> {
  return Object.fromEntries(
    Object.entries(spec.rope).map(([name, { theta, rotary, scaling }]) => {
      const values = ropeTables({ theta, rotary, positions, scaling });
      const shape = [positions, rotary / 2];
      const pair = { cos: gpu.tensor(`rope.${name}.cos`, shape), sin: gpu.tensor(`rope.${name}.sin`, shape) };
      gpu.upload(pair.cos, values.cos);
      gpu.upload(pair.sin, values.sin);
      return [name, pair];
    }),
  );
}
