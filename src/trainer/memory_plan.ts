import type { ModelFolder } from "../formats/model_folder.ts";
import type { TensorSource } from "../formats/safetensors.ts";
import type { Capabilities } from "../gpu/device.ts";
import { dryGpu } from "../gpu/dry_device.ts";
import { arenaBytes } from "../gpu/program.ts";
import { numel } from "../gpu/tensor.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import type { LoadedModel } from "../model/loaded_model.ts";
import { type EngineOptions, prepareEngine } from "./engine.ts";

export interface MemoryPart {
  readonly name: string;
  readonly bytes: number;
  readonly help: string;
}

export interface MemoryPlan {
  readonly parts: readonly MemoryPart[];
  /** The model on the device that only counts, for planning what else runs on it. */
  readonly model: LoadedModel;
  readonly profile: KernelProfile;
}

/**
 * The GPU memory of a run, part by part, from the code that allocates it, on a device that only counts. Reads no weights.
 * Throws `gpu-out-of-memory` when a single tensor is larger than the device allows.
 */
export async function planMemory(capabilities: Capabilities, options: EngineOptions): Promise<MemoryPlan> {
  const gpu = dryGpu(capabilities);
  const { bytes, recorders, model, profile } = await prepareEngine(gpu, {
    ...options,
    model: withoutContent(options.model),
  });
  const trainable = model.pool.shards.reduce((sum, shard) => sum + shard.params.bytes + shard.grads.bytes, 0);
  const arena = arenaBytes(gpu, recorders).reduce((a, b) => a + b, 0);
  const parts = [
    { name: "Model", bytes: bytes.model - trainable, help: "The frozen weights, in the form they are kept." },
    { name: "Trained numbers", bytes: trainable, help: "What is trained, and its gradients." },
    { name: "Optimizer", bytes: bytes.optimizer, help: "Two running averages for each trained number." },
    {
      name: "Activations",
      bytes: arena,
      help: "What the forward pass keeps for the backward pass, and scratch space.",
    },
    { name: "Tables", bytes: bytes.tables, help: "The batch, positions, metrics." },
  ];
  return { parts, model, profile };
}

/** The same tensors by name and shape, whose content is never read. */
export function withoutContent(model: ModelFolder): ModelFolder {
  const empty = (source: TensorSource): TensorSource => ({
    ...source,
    bytes: async (start = 0, end = source.byteLength) => new Uint8Array(Math.min(end - start, 4)),
    floats: async (start = 0, end = numel(source.shape)) => new Float32Array(end - start),
  });
  return { ...model, tensors: new Map([...model.tensors].map(([name, source]) => [name, empty(source)])) };
}
