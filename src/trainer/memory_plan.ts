import type { ModelFolder } from "../formats/model_folder.ts";
import type { TensorSource } from "../formats/safetensors.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import { stagingBytes } from "../gpu/device.ts";
import { type DryBuffer, dryGpu } from "../gpu/dry_device.ts";
import { arenaBytes, programBytes } from "../gpu/program.ts";
import { alignedBytes, numel, type Tensor } from "../gpu/tensor.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { isValueEntry, type LoadedModel } from "../model/loaded_model.ts";
import type { ParamPool, PoolEntry } from "../model/param_pool.ts";
import { type EngineOptions, type EngineParts, prepareEngine } from "./engine_parts.ts";

/** A part of the memory of a run, as the page shows it. */
export interface MemoryPart {
  readonly name: string;
  readonly bytes: number;
  readonly help: string;
}

export interface EngineMemory {
  /** All but the arena. */
  readonly parts: readonly MemoryPart[];
  readonly tables: number;
  /** What it needs of the arena, chunk by chunk; and how many bytes of that are the head's. */
  readonly arena: readonly number[];
  readonly headScratch: number;
  /** What reading the largest tensor back takes, for a checkpoint or an export. */
  readonly staging: number;
  /** The bytes of each buffer but the arena's. */
  readonly buffers: readonly number[];
  /** The model on the device that only counts, for planning what else runs on it. */
  readonly model: LoadedModel;
  readonly profile: KernelProfile;
}

export const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

/**
 * The GPU memory of an engine, part by part, from the code that allocates it, on a device that only counts. Reads no weights.
 * Throws `gpu-out-of-memory` when a single tensor is larger than the device allows.
 */
export async function planEngine(capabilities: Capabilities, options: EngineOptions): Promise<EngineMemory> {
  const live = new Set<DryBuffer>();
  const gpu = dryGpu(capabilities, live);
  const made = await prepareEngine(gpu, { ...options, model: withoutContent(options.model) });
  const { bytes, recorders, model, profile } = made;
  const programs = programBytes(recorders);
  const arena = arenaBytes(gpu, recorders);
  const withoutHead = arenaBytes(gpu, recorders, ({ label }) => !label.startsWith("head."));
  // What quantising takes is freed before the rest is allocated, so that it rarely counts.
  const loading = Math.max(0, gpu.counts.peakBytes - gpu.counts.bytes - sum(programs));
  return {
    parts: [...modelParts(model, bytes), ...trainedParts(model, bytes, options), ...loadingPart(loading)],
    tables: bytes.tables + sum(programs),
    arena,
    headScratch: Math.max(0, sum(arena) - sum(withoutHead)),
    staging: Math.max(...readBack(made).map((tensor) => stagingBytes(tensor.bytes))),
    buffers: [...[...live].map(({ size }) => size), ...programs, ...(loading > 0 ? [loading] : [])],
    model,
    profile,
  };
}

function loadingPart(bytes: number): readonly MemoryPart[] {
  const help = "Scratch space while the weights are read, beyond what training takes after it.";
  return bytes > 0 ? [{ name: "Loading", bytes, help }] : [];
}

type Bytes = EngineParts["bytes"];

/** What stays as it is, and what the value model takes with all that trains of it. */
function modelParts(model: LoadedModel, bytes: Bytes): readonly MemoryPart[] {
  const { reference, value } = model.copyBytes;
  const share = model.value ? valueShare(model.pool) : 0;
  const { params, grads } = poolBytes(model.pool);
  const copies = [
    {
      name: "Reference",
      bytes: reference,
      help: "A copy of what trains as the run found it, or as it follows the training.",
    },
    {
      name: "Value model",
      bytes: value + Math.round(share * (params + grads)) + Math.round(share * bytes.optimizer),
      help: "Its adapter and head, with their gradients and running averages, and its base where the model's own moves.",
    },
  ];
  return [
    {
      name: "Model",
      bytes: bytes.model - params - grads - reference - value,
      help: "The frozen weights, in the form they are kept.",
    },
    ...copies,
  ].filter((part) => part.bytes > 0);
}

function trainedParts(model: LoadedModel, bytes: Bytes, { trainable }: EngineOptions): readonly MemoryPart[] {
  const share = model.value ? valueShare(model.pool) : 0;
  const { params, grads } = poolBytes(model.pool);
  const ofValue = Math.round(share * (params + grads));
  const ofValueParams = Math.round(ofValue / 2);
  return [
    trainable.kind === "full"
      ? { name: "Trained weights", bytes: params - ofValueParams, help: "All weights, in 32 bits." }
      : { name: "Adapter", bytes: params - ofValueParams, help: "The numbers that train, in 32 bits." },
    {
      name: "Gradients",
      bytes: grads - (ofValue - ofValueParams),
      help: "One number for each number that trains.",
    },
    {
      name: "Optimizer",
      bytes: bytes.optimizer - Math.round(share * bytes.optimizer),
      help: "Two running averages for each number that trains.",
    },
  ];
}

function poolBytes({ shards }: ParamPool): { params: number; grads: number } {
  return {
    params: sum(shards.map(({ params }) => Math.max(256, alignedBytes(params.bytes)))),
    grads: sum(shards.map(({ grads }) => Math.max(256, alignedBytes(grads.bytes)))),
  };
}

/** What checkpoints and exports read. */
function readBack({ model, optimizer, report }: EngineParts): readonly Tensor[] {
  return [
    ...model.pool.shards.map(({ params }) => params),
    ...(model.reference?.moving ?? []).map(({ own }) => own),
    ...optimizer.tensors.map(([, tensor]) => tensor),
    report.state,
  ];
}

/** Which part of the trained numbers is the value model's. */
function valueShare({ shards }: ParamPool): number {
  const size = (entries: readonly PoolEntry[]) =>
    sum(entries.map(({ shape }) => alignedBytes(4 * numel(shape))));
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
