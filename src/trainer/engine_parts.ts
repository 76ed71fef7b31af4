import type { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import { Recorder } from "../gpu/recorder.ts";
import { numel, type Tensor } from "../gpu/tensor.ts";
import { lerpInto } from "../kernels/elementwise/lerp_into.ts";
import { type KernelProfile, profileFor } from "../kernels/profile.ts";
import { BatchTables, type Capacity } from "../model/batch_tables.ts";
import { uploadRope } from "../model/context.ts";
import { type LoadedModel, loadModel, type ModelOptions } from "../model/loaded_model.ts";
import { longFrom } from "../model/spec.ts";
import { type Objective, Workbench } from "./objective.ts";
import { createOptimizer, type Optimizer, type OptimizerSettings, recordUpdate } from "./optimizer.ts";
import { ReportBuffer } from "./report.ts";
import { WholeBatch } from "./whole_batch.ts";

export interface EngineOptions extends ModelOptions {
  readonly rematerialize: boolean;
  readonly capacity: Capacity;
  /** Of a micro-batch, where its loss is to be taken across all the passes that it is split into. */
  readonly whole?: Capacity | undefined;
  /** The most micro-batches of one optimizer step; of those that are split, their passes. */
  readonly micros: number;
  /** The longest row. */
  readonly maxLength: number;
  readonly objective: Objective;
  readonly optimizer: OptimizerSettings;
  /** Which part of the way to what trains a moving reference goes at a time. */
  readonly referenceMove?: number | undefined;
  /** From a checkpoint; chosen for the adapter when absent. */
  readonly profile?: KernelProfile;
  /** Scratch memory, to be shared with what never runs at the same time; of its own when absent. */
  readonly arena?: Arena;
}

/** What an engine is made of before its programs are planned, and the bytes that each part took. */
export interface EngineParts {
  readonly profile: KernelProfile;
  readonly model: LoadedModel;
  readonly optimizer: Optimizer;
  readonly report: ReportBuffer;
  readonly tables: BatchTables;
  readonly whole: WholeBatch | undefined;
  readonly scores: Tensor;
  readonly scoreRing: ReadbackRing;
  readonly passRing: ReadbackRing;
  readonly recorders: readonly Recorder[];
  readonly bytes: { readonly model: number; readonly optimizer: number; readonly tables: number };
}

/** Loads the model, allocates everything but the arena, and records the programs. Also how memory is planned. */
export async function prepareEngine(gpu: Gpu, options: EngineOptions): Promise<EngineParts> {
  const { spec, capacity, objective, rematerialize } = options;
  const profile = options.profile ?? profileFor(gpu.capabilities);
  const start = gpu.counts.bytes;
  const model = await loadModel(gpu, options);
  const afterModel = gpu.counts.bytes;
  const optimizer = await gpu.guarded("Optimizer state", () =>
    createOptimizer(gpu, model.pool, options.optimizer),
  );
  const afterOptimizer = gpu.counts.bytes;
  const made = await gpu.guarded("Tables", () => {
    const isFull = options.trainable.kind === "full";
    const scores = gpu.tensor("scores", [capacity.M]);
    const tile = { tile: profile.attentionTile, long: longFrom(spec) };
    const tables = new BatchTables(gpu, capacity, {
      ...tile,
      withGradient: isFull,
      columns: objective.columns,
    });
    const combine = objective.combine?.bind(objective);
    return {
      report: new ReportBuffer(gpu, options.micros, objective.metrics, combine),
      tables,
      whole: options.whole && new WholeBatch(gpu, options.whole, tables, tile),
      rope: uploadRope(gpu, spec, Math.min(spec.maxPositions, options.maxLength)),
      scores,
      scoreRing: new ReadbackRing(gpu, scores, 2),
      // Those of two steps may be on their way at once.
      passRing: new ReadbackRing(gpu, scores, 2 * options.micros),
    };
  });
  const bytes = {
    model: afterModel - start,
    optimizer: afterOptimizer - afterModel,
    tables: gpu.counts.bytes - afterOptimizer,
  };
  const { report } = made;
  const programs = objective.record(new Workbench({ spec, profile, model, rematerialize, ...made }));
  const update = new Recorder("update");
  recordUpdate(update, model.pool, optimizer, report, options.optimizer, profile);
  const recorders = [...programs, update, ...moveReference(model, options.referenceMove ?? 0)];
  return { profile, model, optimizer, ...made, recorders, bytes };
}

/** Moves every tensor of the reference a part of the way to what trains. Nothing where the reference stays. */
function moveReference({ reference }: LoadedModel, alpha: number): Recorder[] {
  const { moving = [] } = reference ?? {};
  if (moving.length === 0) return [];
  const recorder = new Recorder("moveReference");
  for (const { own, trained } of moving) {
    lerpInto(recorder, { x: trained, y: own }, { count: numel(own.shape), alpha });
  }
  return [recorder];
}
