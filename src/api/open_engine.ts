import type { CommonConfig } from "../config/fields.ts";
import { type Gpu, openGpu } from "../gpu/device.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { AppError } from "../lib/errors.ts";
import { openCheckpoint } from "../storage/checkpoints.ts";
import { Engine } from "../trainer/engine.ts";
import { baseFormatOf, engineOptions } from "../trainer/engine_for.ts";
import type { Method } from "../trainer/method.ts";
import type { OpenTrainerOptions, PreparedRun } from "./open_trainer.ts";

export type Backend = "trl" | "unsloth";

/** What a run chose when it began; every checkpoint keeps it, so that resuming never chooses again. */
type Choice = KernelProfile & { readonly backend: Backend };

export interface OpenedEngine {
  readonly gpu: Gpu;
  readonly engine: Engine;
  readonly method: Method;
  readonly backend: Backend;
}

/**
 * The device, the model on it and the algorithm at work with all that it allocates: generation, a reward model.
 * `backend: auto` takes trl, and unsloth where any of that does not fit the device.
 * Throws `webgpu-unavailable`, `gpu-out-of-memory`, and what bad files are refused for.
 */
export async function openEngine(options: OpenTrainerOptions, prepared: PreparedRun): Promise<OpenedEngine> {
  const { config } = options;
  const saved = await savedChoice(options);
  if (config.backend !== "auto") return openBackend(options, prepared, saved, config.backend);
  if (saved) return openBackend(options, prepared, saved, saved.backend);
  try {
    return await openBackend(options, prepared, saved, "trl");
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "gpu-out-of-memory") throw error;
    return openBackend(options, prepared, saved, "unsloth");
  }
}

async function openBackend(
  { config, host, events, gpu: given, onPreparing = () => {} }: OpenTrainerOptions,
  prepared: PreparedRun,
  saved: Choice | undefined,
  backend: Backend,
): Promise<OpenedEngine> {
  const bytes = [...prepared.model.tensors.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0);
  let loaded = 0;
  const onBytes = (count: number) => {
    loaded += count;
    onPreparing("model", Math.min(loaded, bytes), bytes);
  };
  const profile = saved && profileOf(saved);
  const plan = { ...enginePlan(prepared), profile, onBytes };
  const gpu = given ?? (await openGpu());
  try {
    const { value } = await gpu.owned(async () => {
      const chosen = { ...config, backend };
      const engine = await Engine.create(gpu, engineOptions(chosen, plan));
      const baseFormat = baseFormatOf(chosen);
      const method = await prepared.data.start({ gpu, engine, host, events, baseFormat });
      return { gpu, backend, engine, method };
    });
    return value;
  } catch (error) {
    if (!given) gpu.close();
    throw error;
  }
}

/** What a prepared run asks of its engine. */
export function enginePlan({ model, spec, data, start, reference, value }: PreparedRun) {
  const { capacity, whole, maxLength, micros, objective } = data;
  return {
    model,
    spec,
    trainable: start.trainable,
    reference,
    value,
    capacity,
    whole,
    maxLength,
    micros,
    objective,
  };
}

function profileOf({ kind, rowThreads, attentionTile }: Choice): KernelProfile {
  return { kind, rowThreads, attentionTile };
}

async function savedChoice({ host, run, resumeStep }: OpenTrainerOptions): Promise<Choice | undefined> {
  if (resumeStep === undefined) return undefined;
  return (await openCheckpoint(host.checkpoints, run, resumeStep)).state.kernels as Choice;
}

/** What a person should know when `auto` had to choose. */
export function backendNote({ backend: asked }: CommonConfig, backend: Backend): string[] {
  if (asked !== "auto" || backend === "trl") return [];
  return [
    "The run does not fit this GPU in 16 or 32 bits, so it uses the unsloth backend: four bits and recomputation.",
  ];
}
