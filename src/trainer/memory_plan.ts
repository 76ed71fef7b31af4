import type { ModelFolder } from "../formats/model_folder.ts";
import type { TensorSource } from "../formats/safetensors.ts";
import type { Capabilities } from "../gpu/device.ts";
import { dryGpu } from "../gpu/dry_device.ts";
import { arenaBytes, programBytes } from "../gpu/program.ts";
import { alignedBytes, numel } from "../gpu/tensor.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { isValueEntry, type LoadedModel } from "../model/loaded_model.ts";
import type { ParamPool, PoolEntry } from "../model/param_pool.ts";
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
  const { bytes, recorders, model, profile } = await prepareEngine(gpu, options);
  const { shards } = model.pool;
  const trainable = shards.reduce((sum, shard) => sum + shard.params.bytes + shard.grads.bytes, 0);
  const ofValue = model.value ? valueShare(model.pool) : 0;
  const { reference, value } = model.copyBytes;
  const arena = arenaBytes(gpu, recorders).reduce((a, b) => a + b, 0);
  const trainedByValue = Math.round(ofValue * trainable);
  const optimizerOfValue = Math.round(ofValue * bytes.optimizer);
  const copies = [
    {
      name: "Reference",
      bytes: reference,
      help: "A copy of what trains as the run found it, or as it follows the training.",
    },
    {
      name: "Value model",
      bytes: value + trainedByValue + optimizerOfValue,
      help: "Its adapter and head, with their gradients and running averages, and its base where the model's own moves.",
    },
  ];
  const parts = [
    {
      name: "Model",
      bytes: bytes.model - trainable - reference - value,
      help: "The frozen weights, in the form they are kept.",
    },
    ...copies.filter((part) => part.bytes > 0),
    {
      name: "Trained numbers",
      bytes: trainable - trainedByValue,
      help: "What is trained, and its gradients.",
    },
    {
      name: "Optimizer",
      bytes: bytes.optimizer - optimizerOfValue,
      help: "Two running averages for each trained number.",
    },
    {
      name: "Activations",
      bytes: arena,
      help: "What the forward pass keeps for the backward pass, and scratch space.",
    },
    {
      name: "Tables",
      bytes: bytes.tables + programBytes(gpu, recorders) - arena,
      help: "The batch, positions, metrics.",
    },
  ];
  // What quantising takes is freed before the rest is allocated, so that it rarely counts.
  const loading = gpu.counts.peakBytes - parts.reduce((sum, part) => sum + part.bytes, 0);
  if (loading > 0) {
    parts.push({
      name: "Loading",
      bytes: loading,
      help: "Scratch space while the weights are read, beyond what training takes after it.",
    });
  }
  return { parts, model, profile };
}

/** Which part of the trained numbers is the value model's. */
function valueShare({ shards }: ParamPool): number {
  const size = (entries: readonly PoolEntry[]) =>
    entries.reduce((sum, { shape }) => sum + alignedBytes(4 * numel(shape)), 0);
  const all = shards.flatMap((shard) => shard.entries);
  return size(all.filter(isValueEntry)) / size(all);
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
