import type { Generation } from "../algorithms/algorithm.ts";
import type { RunConfig } from "../config/fields.ts";
import { sharedSizes } from "../gpu/arena.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import type { Host } from "../host/host.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { AppError } from "../lib/errors.ts";
import { type GeneratorMemory, planGenerator } from "../rollout/memory.ts";
import { baseFormatOf, engineOptions } from "../trainer/engine_for.ts";
import { type EngineMemory, type MemoryPart, planEngine, sum } from "../trainer/memory_plan.ts";
import { planRewardModel } from "../trainer/reward_model.ts";
import { choicesOf, type MemoryChoice, overBudget, withChoice } from "./memory_choice.ts";
import { enginePlan, type PreparedRun, prepareRun } from "./prepare_run.ts";
import { samplePrompts, sizesFor } from "./sampler.ts";

/** The GPU memory of a run. */
export interface RunMemory {
  readonly parts: readonly MemoryPart[];
  /** Bytes of all parts. */
  readonly total: number;
  /** The scratch memory that training, generation and scoring share, chunk by chunk. */
  readonly arena: readonly number[];
  /** Bytes of the buffers that are made only to read results back. */
  readonly staging: number;
  /** The bytes of each buffer. */
  readonly buffers: readonly number[];
}

export interface PlanOptions {
  /** Sample answers are given during the run, where the configuration asks for them. */
  readonly samples: boolean;
  /** Of a checkpoint. */
  readonly profile?: KernelProfile | undefined;
}

interface Further {
  readonly reward: Awaited<ReturnType<typeof planRewardModel>> | undefined;
  readonly rollouts: GeneratorMemory | undefined;
  readonly samples: GeneratorMemory | undefined;
}

/**
 * The GPU memory that a prepared run takes, part by part, from the code that allocates it: training, the generation and
 * the scoring of answers, sample answers. Nothing is left open in `config`. Reads no weights. Throws `gpu-out-of-memory` when
 * one piece is larger than the device allows.
 */
export async function planPrepared(
  prepared: PreparedRun,
  config: RunConfig,
  capabilities: Capabilities,
  options: PlanOptions,
): Promise<RunMemory> {
  const plan = { ...enginePlan(prepared), profile: options.profile, onBytes: () => {} };
  const engine = await planEngine(capabilities, engineOptions(config, plan));
  const { spec, data } = prepared;
  const { model, profile } = engine;
  const { weights, adapter } = model;
  const generator = (sizes: Generation | undefined) =>
    sizes && planGenerator(capabilities, { spec, weights, adapter, profile, ...sizes });
  const further = {
    reward:
      data.rewardModel &&
      (await planRewardModel(capabilities, {
        ...{ ...data.rewardModel, baseFormat: baseFormatOf(config), profile },
      })),
    rollouts: await generator(data.generation),
    samples: await generator(options.samples ? sampleSizes(prepared, config) : undefined),
  };
  return together(engine, further);
}

function sampleSizes(prepared: PreparedRun, config: RunConfig): Generation | undefined {
  if (config.sample_every === 0) return undefined;
  const prompts = samplePrompts({ ...prepared, dataset: prepared.data.dataset }, config);
  return prompts.length > 0 ? sizesFor(prompts, config) : undefined;
}

function together(engine: EngineMemory, { reward, rollouts, samples }: Further): RunMemory {
  const users = [reward, rollouts, samples].filter((user) => user !== undefined);
  const arena = sharedSizes(engine.arena, ...users.map((user) => user.arena));
  const training = sum(engine.arena);
  const part = (name: string, bytes: number, help: string): MemoryPart[] =>
    bytes > 0 ? [{ name, bytes, help }] : [];
  const tables = engine.tables + (rollouts?.tables ?? 0) + (samples?.tables ?? 0) + engine.staging;
  const parts = [
    ...engine.parts,
    ...part("Reward model", sum(reward?.buffers ?? []), "Its weights and tables."),
    ...part(
      "Activations",
      training - engine.headScratch,
      "What the forward pass keeps for the backward pass, and scratch space of the layers.",
    ),
    ...part(
      "Output head",
      engine.headScratch,
      "What scoring a part of the vocabulary adds to the activations.",
    ),
    ...part(
      "Scratch of generation",
      sum(arena) - training,
      "What generating or scoring answers needs beyond the memory of the activations, which it uses too.",
    ),
    ...part(
      "Answers to learn from",
      rollouts?.cache ?? 0,
      "Keys and values (KV cache) while they are generated.",
    ),
    ...part("Sample answers", samples?.cache ?? 0, "Keys and values (KV cache) while they are generated."),
    ...part("Tables", tables, "The batch, positions, metrics, and room to read results back."),
  ];
  const buffers = [
    ...engine.buffers,
    ...[reward, rollouts, samples].flatMap((user) => user?.buffers ?? []),
    ...[...arena, engine.staging],
  ];
  return { parts, total: sum(parts.map(({ bytes }) => bytes)), arena, staging: engine.staging, buffers };
}

/** What a run would take in the way that its configuration and its bound on memory lead to. */
export interface PlannedRun extends RunMemory {
  readonly choice: MemoryChoice;
  /** Why a faster way was not taken. */
  readonly refused: AppError | undefined;
  /** It takes more than the configuration allows, in every way. */
  readonly tooLarge: boolean;
}

/**
 * Goes through the ways to run a configuration, the fastest first, up to one that is within its bound on memory; the last
 * one where none is. Throws `gpu-out-of-memory` when even that has a piece that is larger than the device allows.
 */
export async function planWays(
  prepared: PreparedRun,
  config: RunConfig,
  capabilities: Capabilities,
  options: PlanOptions,
): Promise<PlannedRun> {
  const choices = choicesOf(config);
  let refused: AppError | undefined;
  for (const choice of choices) {
    const isLast = choice === choices.at(-1);
    try {
      const memory = await planPrepared(prepared, withChoice(config, choice), capabilities, options);
      const over = overBudget(config, memory.total);
      if (!over || isLast) return { ...memory, choice, refused, tooLarge: over !== undefined };
      refused ??= over;
    } catch (error) {
      if (isLast || !isOutOfMemory(error)) throw error;
      refused ??= error;
    }
  }
  throw new Error("a configuration can be run in no way");
}

export function isOutOfMemory(error: unknown): error is AppError {
  return error instanceof AppError && error.code === "gpu-out-of-memory";
}

/** The same for a configuration. Throws what it or its files can be refused for. */
export async function planRun(
  host: Host,
  config: RunConfig,
  capabilities: Capabilities,
): Promise<PlannedRun> {
  return planWays(await prepareRun(host, config, true), config, capabilities, { samples: true });
}
