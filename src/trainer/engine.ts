import type { Gpu } from "../gpu/device.ts";
import { type Program, planPrograms } from "../gpu/program.ts";
import { Recorder } from "../gpu/recorder.ts";
import { type StepValues, ZERO_STEP } from "../gpu/step.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { crossEntropy } from "../kernels/loss/cross_entropy.ts";
import { metricsReduce } from "../kernels/loss/metrics_reduce.ts";
import { type KernelProfile, profileFor } from "../kernels/profile.ts";
import { type BatchRow, BatchTables, type Capacity } from "../model/batch_tables.ts";
import { type ModelContext, uploadRope } from "../model/context.ts";
import { decoderBackward, decoderForward } from "../model/decoder.ts";
import { headBackward, headForward } from "../model/head.ts";
import { type LoadedModel, loadModel, type ModelOptions } from "../model/loaded_model.ts";
import type { Adapter } from "../model/lora.ts";
import type { ParamPool } from "../model/param_pool.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { ModelWeights } from "../model/weights.ts";
import { createOptimizer, type Optimizer, type OptimizerSettings, recordUpdate } from "./optimizer.ts";
import { ReportBuffer, type StepReport } from "./report.ts";

export interface LossSettings {
  readonly kind: "nll" | "dft";
  readonly smoothing: number;
}

export interface EngineOptions extends ModelOptions {
  readonly rematerialize: boolean;
  readonly capacity: Capacity;
  /** The most micro-batches of one optimizer step. */
  readonly micros: number;
  /** The longest row. */
  readonly maxLength: number;
  readonly loss: LossSettings;
  readonly optimizer: OptimizerSettings;
  /** From a checkpoint; chosen for the adapter when absent. */
  readonly profile?: KernelProfile;
}

/** What one execution adds to the counts of its batch. */
export interface MicroStep {
  /** Slot of this micro-batch within its optimizer step. */
  readonly micro: number;
  /** Optimizer steps done before. */
  readonly step: number;
  readonly seed: number;
  /** NEFTune's half width. */
  readonly noise: number;
}

/**
 * A model on the GPU with everything that supervised training needs: all memory is allocated and all programs are
 * recorded when it is created; a step only uploads a batch and replays them.
 */
export class Engine {
  readonly gpu: Gpu;
  readonly spec: ModelSpec;
  readonly profile: KernelProfile;
  readonly pool: ParamPool;
  readonly optimizer: Optimizer;
  readonly report: ReportBuffer;
  readonly weights: ModelWeights;
  readonly adapter: Adapter | undefined;
  readonly #tables: BatchTables;
  readonly #train: Program;
  readonly #evaluate: Program;
  readonly #update: Program;

  private constructor(
    gpu: Gpu,
    spec: ModelSpec,
    profile: KernelProfile,
    model: LoadedModel,
    optimizer: Optimizer,
    report: ReportBuffer,
    tables: BatchTables,
    programs: Readonly<Record<"train" | "evaluate" | "update", Program>>,
  ) {
    this.gpu = gpu;
    this.spec = spec;
    this.profile = profile;
    this.pool = model.pool;
    this.weights = model.weights;
    this.adapter = model.adapter;
    this.optimizer = optimizer;
    this.report = report;
    this.#tables = tables;
    this.#train = programs.train;
    this.#evaluate = programs.evaluate;
    this.#update = programs.update;
  }

  /** Throws `model-*` and `adapter-unsupported` for bad files, `gpu-out-of-memory` when the plan does not fit. */
  static async create(gpu: Gpu, options: EngineOptions): Promise<Engine> {
    const { profile, model, optimizer, report, tables, recorders } = await prepareEngine(gpu, options);
    const [train, evaluate, update] = await planPrograms(gpu, recorders);
    if (!train || !evaluate || !update) throw new Error("a program is missing");
    const programs = { train, evaluate, update };
    return new Engine(gpu, options.spec, profile, model, optimizer, report, tables, programs);
  }

  get programs(): Readonly<Record<"train" | "evaluate" | "update", Program>> {
    return { train: this.#train, evaluate: this.#evaluate, update: this.#update };
  }

  /** Uploads a micro-batch and adds its gradients; its metrics land in slot `micro`. */
  accumulate(rows: readonly BatchRow[], micro: MicroStep): void {
    this.gpu.check();
    this.#train.execute(this.#step(rows, micro));
  }

  /** Loss of a micro-batch without gradients, noise or dropout. */
  evaluate(rows: readonly BatchRow[], micro: number): void {
    this.gpu.check();
    this.#evaluate.execute(this.#step(rows, { micro, step: 0, seed: 0, noise: 0 }));
  }

  #step(rows: readonly BatchRow[], micro: MicroStep): StepValues {
    return { ...ZERO_STEP, ...micro, ...this.#tables.fill(rows) };
  }

  /** Applies the accumulated gradients (or, when something is not finite, drops them) and starts reading the report. */
  update(step: { readonly lr: number; readonly step: number; readonly micros: number }): {
    read(): Promise<StepReport>;
  } {
    const { lr, micros } = step;
    let copy: { read(): Promise<StepReport> } | undefined;
    this.#update.execute({ ...ZERO_STEP, lr, step: step.step, micro: micros - 1 }, (encoder) => {
      copy = this.report.copy(encoder, micros);
    });
    if (!copy) throw new Error("the report was not copied");
    return copy;
  }

  /** The metrics of `micros` evaluated micro-batches. Waits for the GPU. */
  async readEvaluation(micros: number): Promise<StepReport> {
    const encoder = this.gpu.device.createCommandEncoder();
    const copy = this.report.copy(encoder, micros);
    this.gpu.device.queue.submit([encoder.finish()]);
    return copy.read();
  }
}

/** What an engine is made of before its programs are planned, and the bytes that each part took. */
export interface EngineParts {
  readonly profile: KernelProfile;
  readonly model: LoadedModel;
  readonly optimizer: Optimizer;
  readonly report: ReportBuffer;
  readonly tables: BatchTables;
  readonly recorders: readonly Recorder[];
  readonly bytes: { readonly model: number; readonly optimizer: number; readonly tables: number };
}

/** Loads the model, allocates everything but the arena, and records the programs. Also how memory is planned. */
export async function prepareEngine(gpu: Gpu, options: EngineOptions): Promise<EngineParts> {
  const { spec, capacity } = options;
  const profile = options.profile ?? profileFor(gpu.capabilities);
  const start = gpu.counts.bytes;
  const model = await loadModel(gpu, options);
  const afterModel = gpu.counts.bytes;
  const optimizer = await gpu.guarded("Optimizer state", () =>
    createOptimizer(gpu, model.pool, options.optimizer),
  );
  const afterOptimizer = gpu.counts.bytes;
  const { report, tables, rope } = await gpu.guarded("Tables", () => ({
    report: new ReportBuffer(gpu, options.micros),
    tables: new BatchTables(gpu, capacity, profile.attentionTile, options.trainable.kind === "full"),
    rope: uploadRope(gpu, spec, Math.min(spec.maxPositions, options.maxLength)),
  }));
  const bytes = {
    model: afterModel - start,
    optimizer: afterOptimizer - afterModel,
    tables: gpu.counts.bytes - afterOptimizer,
  };
  const shared = { profile, spec, rope, tables: tables.tensors, capacity, ...model };
  const { metrics } = report;
  const gradOf = (param: Tensor) => model.pool.gradOf(param);
  const train = new Recorder("train");
  recordSft(
    { ...shared, recorder: train, gradOf, noisy: true },
    metrics,
    options.loss,
    options.rematerialize,
  );
  const evaluate = new Recorder("evaluate");
  const plain = { kind: "nll", smoothing: 0 } as const;
  recordLoss({ ...shared, recorder: evaluate, gradOf: () => undefined, noisy: false }, metrics, plain);
  const update = new Recorder("update");
  recordUpdate(update, model.pool, optimizer, report, options.optimizer, profile);
  return { profile, model, optimizer, report, tables, recorders: [train, evaluate, update], bytes };
}

interface LossActs {
  readonly upstream: Tensor;
  readonly decoder: ReturnType<typeof decoderForward>;
  readonly head: ReturnType<typeof headForward>;
}

/** Forward, loss and metrics of one micro-batch. */
function recordLoss(
  context: ModelContext,
  metrics: Tensor,
  loss: LossSettings,
  rematerialize = false,
): LossActs {
  const { recorder, capacity, tables, profile } = context;
  const decoder = decoderForward(context, rematerialize);
  const head = headForward(context, decoder.finalNorm.y, 1);
  const upstream = recorder.alloc("upstream", [capacity.M, 3]);
  const losses = recorder.alloc("loss", [capacity.M]);
  const { out, argmax } = head;
  crossEntropy(recorder, { out, weight: tables.weights, upstream, loss: losses }, loss);
  const { targets, weights: weight } = tables;
  metricsReduce(
    recorder,
    { out, loss: losses, argmax, targets, weight, metrics },
    { threads: profile.rowThreads },
  );
  return { upstream, decoder, head };
}

/** The whole of SFT on the GPU: loss, then the same path backward. */
function recordSft(context: ModelContext, metrics: Tensor, loss: LossSettings, rematerialize: boolean): void {
  const { upstream, decoder, head } = recordLoss(context, metrics, loss, rematerialize);
  const dHidden = headBackward(context, decoder.finalNorm.y, head, upstream, 1);
  decoderBackward(context, decoder, dHidden);
}
