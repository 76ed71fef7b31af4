import { planSft } from "../api/plan_sft.ts";
import { Sampler } from "../api/sampler.ts";
import { openSftTrainer, type SftTrainer, type SftTrainerOptions } from "../api/sft_trainer.ts";
import { ALGORITHM_TITLES } from "../config/algorithm.ts";
import type { RunConfig, SftConfig } from "../config/fields.ts";
import type { Capabilities } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import type { RolloutRecord } from "../rollout/record.ts";
import type { MemoryPart } from "../trainer/memory_plan.ts";
import type { RunEvents } from "../trainer/training_run.ts";

/** The one place where the worker meets the engine's entry points: which method is trained by what. */

export type RunTrainer = SftTrainer;
export interface RunTrainerOptions extends Omit<SftTrainerOptions, "config" | "events"> {
  readonly config: RunConfig;
  readonly events: RunEvents & RolloutEvents;
}

export interface RolloutEvents {
  /** After each rollout was scored, with all of its answers. */
  rollout?(records: readonly RolloutRecord[]): void;
}

/** Prepares a run of any method. Throws all that a configuration, a file or a device can be refused for. */
export function openTrainer(options: RunTrainerOptions): Promise<RunTrainer> {
  return openSftTrainer({ ...options, config: trainable(options.config) });
}

/** The memory that a run would take. Throws what its configuration or files can be refused for. */
export function planRun(
  host: Host,
  config: RunConfig,
  capabilities: Capabilities,
): Promise<readonly MemoryPart[]> {
  return planSft(host, trainable(config), capabilities);
}

/** Answers to fixed prompts beside the training; undefined where none are asked for. */
export async function openSampler(trainer: RunTrainer, config: RunConfig): Promise<Sampler | undefined> {
  return config.sample_every > 0 ? Sampler.create(trainer, trainable(config)) : undefined;
}

function trainable(config: RunConfig): SftConfig {
  if (config.algorithm === "sft") return config;
  throw new AppError(
    "config-invalid",
    `${ALGORITHM_TITLES[config.algorithm]} cannot be trained by this version yet. Supervised fine-tuning can.`,
    { details: { key: "algorithm" } },
  );
}
