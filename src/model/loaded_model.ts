import type { ModelFolder } from "../formats/model_folder.ts";
import type { Gpu } from "../gpu/device.ts";
import { AppError } from "../lib/errors.ts";
import { type Adapter, adapterEntries, bindAdapter, checkAdapterValues, type LoraSettings } from "./lora.ts";
import { ParamPool } from "./param_pool.ts";
import type { ModelSpec } from "./spec.ts";
import { bindWeights, uploadWeights, weightEntries } from "./trainable_weights.ts";
import { type BaseFormat, loadWeights, type ModelWeights } from "./weights.ts";

/** Values by their key in the file. */
export type NamedValues = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array<ArrayBuffer> }
>;

export type Trainable =
  | { readonly kind: "lora"; readonly settings: LoraSettings; readonly values: NamedValues }
  | { readonly kind: "full" };

export interface ModelOptions {
  readonly model: ModelFolder;
  readonly spec: ModelSpec;
  readonly trainable: Trainable;
  readonly baseFormat: BaseFormat;
  readonly onBytes?: (bytes: number) => void;
}

/** A model on the GPU: frozen weights with an adapter that trains, or weights that all train. */
export interface LoadedModel {
  readonly weights: ModelWeights;
  readonly adapter: Adapter | undefined;
  /** Everything that trains. */
  readonly pool: ParamPool;
}

/** Throws `model-*`, `adapter-unsupported` and `file-invalid` for bad files, `gpu-out-of-memory`. */
export async function loadModel(gpu: Gpu, options: ModelOptions): Promise<LoadedModel> {
  const { model, spec, trainable, baseFormat, onBytes } = options;
  if (trainable.kind === "full") {
    const { maxStorageBufferBindingSize, maxBufferSize } = gpu.capabilities.limits;
    const maxBytes = Math.min(maxStorageBufferBindingSize, maxBufferSize);
    const pool = await gpu.guarded("Model weights", () => new ParamPool(gpu, weightEntries(spec, maxBytes)));
    await uploadWeights(gpu, model, pool, onBytes);
    return { weights: bindWeights(spec, pool, maxBytes), adapter: undefined, pool };
  }
  const entries = adapterEntries(spec, trainable.settings, "policy");
  checkAdapterValues(entries, trainable.values);
  const weights = await loadWeights(gpu, model, spec, baseFormat, onBytes);
  const pool = await gpu.guarded("Adapter", () => new ParamPool(gpu, entries));
  writePool(gpu, pool, trainable.values);
  const adapter = bindAdapter(spec, trainable.settings, "policy", (label) => pool.param(label));
  return { weights, adapter, pool };
}

/** Uploads parameters by their names in the file. Throws `checkpoint-invalid` when one is missing. */
export function writePool(gpu: Gpu, pool: ParamPool, values: NamedValues): void {
  for (const shard of pool.shards) {
    for (const { offset, names } of shard.entries) {
      for (const { name, first } of names) {
        const value = values.get(name);
        if (!value) throw new AppError("checkpoint-invalid", `There are no values for ${name}.`);
        gpu.upload(shard.params, value.data, 4 * (offset + first));
      }
    }
  }
}

/** A model that only computes: frozen weights, with a frozen adapter on top where one is given. */
export async function loadFrozen(
  gpu: Gpu,
  options: Pick<ModelOptions, "model" | "spec" | "baseFormat"> & {
    readonly adapter: { readonly settings: LoraSettings; readonly values: NamedValues } | undefined;
  },
): Promise<Pick<LoadedModel, "weights" | "adapter">> {
  const { model, spec, baseFormat, adapter } = options;
  if (!adapter) return { weights: await loadWeights(gpu, model, spec, baseFormat), adapter: undefined };
  return loadModel(gpu, { model, spec, baseFormat, trainable: { kind: "lora", ...adapter } });
}
