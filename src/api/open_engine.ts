import type { RunConfig } from "../config/fields.ts";
import { Arena } from "../gpu/arena.ts";
import { type Gpu, openGpu } from "../gpu/device.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { AppError } from "../lib/errors.ts";
import { formatBytes } from "../lib/format_bytes.ts";
import { openCheckpoint } from "../storage/checkpoints.ts";
import { Engine } from "../trainer/engine.ts";
import { baseFormatOf, engineOptions } from "../trainer/engine_for.ts";
import type { Method } from "../trainer/method.ts";
import { choicesOf, type MemoryChoice, overBudget, withChoice } from "./memory_choice.ts";
import type { OpenTrainerOptions } from "./open_trainer.ts";
import { isOutOfMemory, planPrepared, type RunMemory } from "./plan_run.ts";
import { enginePlan, type PreparedRun } from "./prepare_run.ts";
import { Sampler } from "./sampler.ts";

/** What a run chose when it began; every checkpoint keeps it, so that resuming never chooses again. */
type Saved = KernelProfile & Pick<MemoryChoice, "backend"> & Partial<Pick<MemoryChoice, "rematerialize">>;

export interface OpenedEngine {
  readonly gpu: Gpu;
  readonly engine: Engine;
  readonly method: Method;
  readonly sampler: Sampler | undefined;
  readonly choice: MemoryChoice;
  /** What was planned to be taken of the device. */
  readonly memory: RunMemory;
  /** Why a faster way was not taken. */
  readonly refused: AppError | undefined;
}

/**
 * The device, the model on it and the algorithm at work with all that it allocates: generation, a reward model, sample
 * answers. Where the configuration leaves it to the memory, the fastest way is taken that is within gpu_memory_gb and that the
 * device has room for, which is tried before any weight is read.
 * Throws `webgpu-unavailable`, `gpu-out-of-memory`, and what bad files are refused for.
 */
export async function openEngine(options: OpenTrainerOptions, prepared: PreparedRun): Promise<OpenedEngine> {
  const { config, gpu: given } = options;
  const saved = await savedChoice(options);
  const choices = saved ? [resumed(config, saved)] : choicesOf(config);
  let gpu = given ?? (await openGpu());
  let refused: AppError | undefined;
  for (const choice of choices) {
    try {
      const memory = await roomFor(gpu, options, prepared, choice, saved);
      const opened = await openChosen(gpu, options, prepared, choice, memory, saved);
      return { ...opened, gpu, choice, memory, refused };
    } catch (error) {
      if (!given) gpu.close();
      if (!isOutOfMemory(error) || choice === choices.at(-1)) throw error;
      refused ??= error;
      if (!given) gpu = await openGpu();
    }
  }
  throw new Error("a configuration can be run in no way");
}

/** Plans a way to run, and tries whether the device has room for it. Throws `gpu-out-of-memory`. */
async function roomFor(
  gpu: Gpu,
  { config, samples = false }: OpenTrainerOptions,
  prepared: PreparedRun,
  choice: MemoryChoice,
  saved: Saved | undefined,
): Promise<RunMemory> {
  const memory = await planPrepared(prepared, withChoice(config, choice), gpu.capabilities, {
    ...{ samples, profile: saved && profileOf(saved) },
  });
  const over = overBudget(config, memory.total);
  if (over) throw over;
  await hasRoom(gpu, memory);
  return memory;
}

async function hasRoom(gpu: Gpu, { buffers, total }: RunMemory): Promise<void> {
  try {
    await gpu.probe(buffers);
  } catch (cause) {
    if (!isOutOfMemory(cause)) throw cause;
    throw new AppError(
      "gpu-out-of-memory",
      `This run would take ${formatBytes(total)} of GPU memory, and the GPU did not give as much.`,
      { details: { ...cause.details, bytes: total }, cause },
    );
  }
}

async function openChosen(
  gpu: Gpu,
  { config, host, events, onPreparing = () => {}, samples = false }: OpenTrainerOptions,
  prepared: PreparedRun,
  choice: MemoryChoice,
  { arena: sizes }: RunMemory,
  saved: Saved | undefined,
): Promise<Pick<OpenedEngine, "engine" | "method" | "sampler">> {
  const bytes = [...prepared.model.tensors.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0);
  let loaded = 0;
  const onBytes = (count: number) => {
    loaded += count;
    onPreparing("model", Math.min(loaded, bytes), bytes);
  };
  const chosen = withChoice(config, choice);
  const plan = { ...enginePlan(prepared), profile: saved && profileOf(saved), onBytes };
  const { value } = await gpu.owned(async () => {
    const arena = new Arena(gpu);
    await gpu.guarded("Scratch memory", () => arena.take(sizes));
    const engine = await Engine.create(gpu, { ...engineOptions(chosen, plan), arena });
    const baseFormat = baseFormatOf(chosen);
    const method = await prepared.data.start({ gpu, engine, host, events, baseFormat });
    const { spec, tools, data } = prepared;
    const sampler =
      samples && config.sample_every > 0
        ? await Sampler.create({ gpu, engine, spec, tools, dataset: data.dataset }, config)
        : undefined;
    return { engine, method, sampler };
  });
  return value;
}

/** A checkpoint's way. What the configuration says now wins: it gives the same numbers. */
function resumed({ backend, gradient_checkpointing: given }: RunConfig, saved: Saved): MemoryChoice {
  const chosen = backend === "auto" ? saved.backend : backend;
  return { backend: chosen, rematerialize: given ?? saved.rematerialize ?? chosen === "unsloth" };
}

function profileOf({ kind, rowThreads, attentionTile }: Saved): KernelProfile {
  return { kind, rowThreads, attentionTile };
}

async function savedChoice({ host, run, resumeStep }: OpenTrainerOptions): Promise<Saved | undefined> {
  if (resumeStep === undefined) return undefined;
  return (await openCheckpoint(host.checkpoints, run, resumeStep)).state.kernels as Saved;
}
