import { SupervisedFineTuning, supervisedPlan } from "../../src/algorithms/sft.ts";
import type { SftConfig } from "../../src/config/fields.ts";
import type { TrainingRow } from "../../src/data/packed_rows.ts";
import { rowsInMemory, type TrainRows } from "../../src/data/train_rows.ts";
import { encodeFloats } from "../../src/formats/dtype.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import type { CheckpointStore } from "../../src/host/host.ts";
import { memoryFolder } from "../../src/host/memory.ts";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";
import { Engine } from "../../src/trainer/engine.ts";
import { engineOptions, startOf } from "../../src/trainer/engine_for.ts";
import type { EngineOptions } from "../../src/trainer/engine_parts.ts";
import { type RunControl, type RunEvents, TrainingRun } from "../../src/trainer/training_run.ts";
import { type Tiny, tinyConfig } from "../tiny_model.ts";

export interface TinyRunOptions {
  readonly tiny: Tiny;
  readonly settings: Readonly<Record<string, unknown>>;
  /** What the rules of the configuration would refuse. */
  readonly overrides?: Partial<SftConfig>;
  readonly rows: readonly TrainingRow[];
  /** Where rows come from, when it is not a list. */
  readonly train?: TrainRows<TrainingRow>;
  readonly validation?: readonly TrainingRow[];
  readonly checkpoints?: CheckpointStore;
}

export type LogLine = Readonly<Record<string, number>>;

/** A run of the real loop over rows that are already tokens, and everything that it said. */
export interface TinyRun {
  readonly run: TrainingRun;
  readonly engine: Engine;
  readonly options: EngineOptions;
  readonly checkpoints: CheckpointStore;
  readonly log: LogLine[];
  readonly notes: string[];
  readonly saved: number[];
  /** Everything that a step changes, as bytes by name. */
  state(): Promise<ReadonlyMap<string, Uint8Array>>;
}

export const GO: RunControl = { request: "go" };

export async function tinyRun(gpu: Gpu, options: TinyRunOptions): Promise<TinyRun> {
  const { tiny, rows, validation = [], checkpoints = memoryCheckpoints() } = options;
  const settings = { save_strategy: "no", lora_rank: 4, logging_steps: 1, ...options.settings };
  const config = { ...tinyConfig(settings), ...options.overrides };
  const host = { openAdapter: async () => memoryFolder("none", {}) };
  const { trainable } = await startOf(host, tiny.spec, config);
  const train =
    options.train ??
    rowsInMemory(rows, {
      ...{ strategy: config.train_sampling_strategy, seed: config.data_seed ?? config.seed },
      ...{ batchSize: config.batch_size, lengthOf: ({ ids }) => ids.length },
    });
  const { capacity, micros, objective, maxLength } = supervisedPlan(config, { train, validation });
  const plan = engineOptions(config, {
    ...{ model: tiny.model, spec: tiny.spec, trainable, profile: undefined, onBytes: () => {} },
    ...{ capacity, micros, objective, maxLength },
  });
  const engine = await Engine.create(gpu, plan);
  const log: LogLine[] = [];
  const notes: string[] = [];
  const saved: number[] = [];
  const events: RunEvents = {
    metrics: (step, values) => log.push({ step, ...values }),
    step: () => {},
    checkpoint: (step) => saved.push(step),
    sample: async () => {},
    note: (text) => notes.push(text),
  };
  const parts = {
    run: "run",
    backend: "trl" as const,
    engine,
    config,
    configText: "",
    method: new SupervisedFineTuning(engine, config, { train, validation }),
    checkpoints,
    events,
  };
  return {
    run: new TrainingRun(parts),
    engine,
    options: plan,
    checkpoints,
    log,
    notes,
    saved,
    state: () => stateOf(engine),
  };
}

/** Parameters, gradients, moments and counters of an engine, as bytes. */
export async function stateOf(engine: Engine): Promise<ReadonlyMap<string, Uint8Array>> {
  const tensors = [
    ...engine.pool.shards.flatMap(({ params, grads }) => [params, grads]),
    ...engine.optimizer.tensors.map(([, tensor]) => tensor),
    engine.report.state,
  ];
  const state = new Map<string, Uint8Array>();
  for (const tensor of tensors) state.set(tensor.label, new Uint8Array(await engine.gpu.read(tensor)));
  return state;
}

/** Every trained number, one tensor after the other in the order of their names. */
export async function trained(engine: Engine, what: "params" | "grads" = "params") {
  const values = await engine.pool.read(engine.gpu, what);
  const names = [...values.keys()].sort();
  return Float32Array.from(names.flatMap((name) => [...(values.get(name)?.data ?? [])]));
}

/** The bits of floats, so that NaN and signs of zero are compared too. */
export function bits(values: Float32Array<ArrayBuffer>): Uint8Array {
  return encodeFloats(values, "F32");
}
