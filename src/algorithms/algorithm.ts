import type { GroupConfig, RunConfig } from "../config/fields.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import type { Capacity } from "../model/batch_tables.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { BaseFormat } from "../model/weights.ts";
import type { Engine } from "../trainer/engine.ts";
import type { Dataset } from "../trainer/load_dataset.ts";
import type { Method, MethodEvents } from "../trainer/method.ts";
import type { Objective } from "../trainer/objective.ts";
import type { TextTools } from "../trainer/prepare_data.ts";
import type { RewardModelOptions } from "../trainer/reward_model.ts";

/** What an algorithm is, to whoever opens a run. One file each; see registry.ts. */
export interface Algorithm<C extends RunConfig = RunConfig> {
  /**
   * Reads and checks the data, and says what the engine must hold. Touches no device. Throws everything that the data can
   * be refused for.
   */
  prepare(input: PrepareInput<C>): Promise<Prepared>;
}

export interface PrepareInput<C extends RunConfig = RunConfig> {
  readonly host: Host;
  readonly config: C;
  readonly spec: ModelSpec;
  readonly tools: TextTools;
  /** Go on without the rows that cannot be used; else the first of them is an error. */
  readonly skipBadRows: boolean;
}

/** Which models an algorithm needs beside the one that trains. */
export interface ModelNeeds {
  readonly reference?: boolean;
  readonly value?: boolean;
}

/** Sizes of what a run generates with. */
export interface Generation {
  readonly maxSequences: number;
  readonly maxPromptTokens: number;
  readonly maxLength: number;
}

/** What an algorithm asks of its engine. */
export type EngineNeeds = Pick<
  Prepared,
  "capacity" | "whole" | "maxLength" | "micros" | "objective" | "needs"
>;

/** An algorithm's data, ready to train on, and what to plan for. */
export interface Prepared {
  /** Undefined when the rows are recorded rollouts. */
  readonly dataset: Dataset | undefined;
  /** What a person should know: rows cut, dropped, ambiguous. */
  readonly notes: readonly string[];
  readonly trainRows: number;
  readonly heldOutRows: number;
  /** Of a pass. */
  readonly capacity: Capacity;
  /** Of a micro-batch of several passes, where the loss looks across all of them. */
  readonly whole?: Capacity | undefined;
  readonly maxLength: number;
  /** The most micro-batches of one optimizer step; of those that are split, their passes. */
  readonly micros: number;
  readonly objective: Objective;
  readonly needs: ModelNeeds;
  readonly generation: Generation | undefined;
  /** A model that scores answers, with the sizes of one pass. */
  readonly rewardModel?: Pick<RewardModelOptions, "files" | "capacity"> | undefined;
  /** The algorithm at work on an engine that was made for all this. Throws `gpu-out-of-memory`. */
  start(parts: StartParts): Promise<Method>;
}

export interface StartParts {
  readonly gpu: Gpu;
  readonly engine: Engine;
  readonly host: Host;
  readonly events: MethodEvents;
  /** How frozen weights are kept in this run. */
  readonly baseFormat: BaseFormat;
}

/** Whether a moving reference follows the policy after this many optimizer steps. */
export function movesReference(
  config: Pick<GroupConfig, "sync_ref_model" | "ref_model_sync_steps">,
  steps: number,
): boolean {
  return config.sync_ref_model && steps % config.ref_model_sync_steps === 0;
}

/** The largest number that any item has; a spread of as many arguments as there are rows would be refused. */
export function most<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((max, item) => Math.max(max, of(item)), 0);
}

export function largest(capacities: readonly Capacity[]): Capacity {
  const most = (key: keyof Capacity) => Math.max(...capacities.map((capacity) => capacity[key]));
  return { N: most("N"), M: most("M"), R: most("R") };
}
