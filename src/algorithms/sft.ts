import type { SftConfig } from "../config/fields.ts";
import { type DataCursor, takeStep, windowOf } from "../data/batches.ts";
import type { TrainingRow } from "../data/packed_rows.ts";
import { crossEntropy } from "../kernels/loss/cross_entropy.ts";
import { METRIC_FIELDS, metricsReduce } from "../kernels/loss/metrics_reduce.ts";
import { Accumulation } from "../trainer/accumulation.ts";
import type { Engine } from "../trainer/engine.ts";
import { evaluateRows } from "../trainer/evaluation.ts";
import type { DoneStep, Method, StepPlace } from "../trainer/method.ts";
import { type StepRecord, sftLogValues } from "../trainer/metrics.ts";
import {
  batchShape,
  capacityFor,
  countTargets,
  countTokens,
  inPasses,
  passesOfBatch,
  passSize,
  stepsOfRun,
  toBatchRows,
} from "../trainer/micro_batch.ts";
import type { Objective } from "../trainer/objective.ts";
import { type LossPart, recordEvaluation, recordTraining } from "../trainer/record_training.ts";
import { sftEncoding, type TrainData, trainData } from "../trainer/row_encodings.ts";
import {
  type Algorithm,
  type EngineNeeds,
  largest,
  most,
  type Prepared,
  type PrepareInput,
} from "./algorithm.ts";

/**
 * SFT, supervised fine-tuning: the cross-entropy of the tokens to learn. InstructGPT, arXiv:2203.02155, section 3.5;
 * dft weighs each token by its own probability, arXiv:2508.05629.
 *
 *   loss = sum over learned tokens of -log p / (learned tokens of all micro-batches of the step)
 */
export const sft: Algorithm<SftConfig> = { prepare };

async function prepare(input: PrepareInput<SftConfig>): Promise<Prepared> {
  const { config, tools } = input;
  const data = await trainData(input, sftEncoding(tools, config));
  const { dataset, train, validation, notes } = data;
  return {
    ...{ dataset, notes, trainRows: train.count, heldOutRows: validation.length },
    ...supervisedPlan(config, data),
    generation: undefined,
    start: async ({ engine }) => new SupervisedFineTuning(engine, config, data),
  };
}

type SftData = Pick<TrainData<TrainingRow>, "train" | "validation">;

/** What the engine must hold for these rows. */
export function supervisedPlan(config: SftConfig, { train, validation }: SftData): EngineNeeds {
  return {
    capacity: largest([
      capacityFor(train.bounds, passSize(config)),
      capacityFor(validation, config.eval_batch_size),
    ]),
    maxLength: most([...train.bounds, ...validation], (row) => Math.max(...row.lengths)),
    micros: config.gradient_accumulation_steps * passesOfBatch(config),
    objective: sftObjective({ kind: config.loss_type, smoothing: config.label_smoothing_factor }),
    needs: {},
  };
}

/** The step: next window of micro-batches, accumulate, update. Nothing in it waits for the GPU. */
export class SupervisedFineTuning implements Method {
  readonly totalSteps: number;
  readonly evaluate: Method["evaluate"];
  readonly #engine: Engine;
  readonly #config: SftConfig;
  readonly #data: SftData;
  #cursor: DataCursor = { epoch: 0, position: 0 };

  constructor(engine: Engine, config: SftConfig, data: SftData) {
    this.totalSteps = stepsOfRun(data.train, config);
    this.#engine = engine;
    this.#config = config;
    this.#data = data;
    const { eval_batch_size: batchSize, gradient_accumulation_steps: slots } = config;
    this.evaluate =
      data.validation.length > 0 ? () => evaluateRows(engine, data.validation, batchSize, slots) : undefined;
  }

  async step({ step, learningRate }: StepPlace): Promise<DoneStep> {
    const config = this.#config;
    const { train } = this.#data;
    const shape = batchShape(config);
    const { batches: micros, next, epochsDone, notes } = await takeStep(train, shape, this.#cursor);
    const targets = micros.reduce((sum, rows) => sum + countTargets(rows), 0);
    const accumulation = new Accumulation(this.#engine, { step, seed: config.seed });
    const weight = targets === 0 ? 0 : 1 / targets;
    for (const rows of micros) {
      const passes = inPasses(rows, passSize(config)).map((part) => toBatchRows(part, weight));
      accumulation.add(passes, { noise: neftuneNoise(config, rows, this.#engine.spec.hidden) });
    }
    const report = accumulation.update(learningRate);
    this.#cursor = next;
    train.ahead(next, windowOf(shape));
    const tokens = micros.reduce((sum, rows) => sum + countTokens(rows), 0);
    return { report, tokens, notes, epoch: epochsDone, endsEpoch: next.position === 0 };
  }

  logValues(records: readonly StepRecord[]): Record<string, number> {
    return sftLogValues(records);
  }

  state(): DataCursor {
    return this.#cursor;
  }

  restore(state: unknown): void {
    this.#cursor = state as DataCursor;
  }

  close(): void {
    this.#data.train.close();
  }
}

/** Uniform noise of half width alpha / sqrt(L d), L the longest row of the micro-batch. NEFTune, arXiv:2310.05914. */
function neftuneNoise(config: SftConfig, rows: readonly TrainingRow[], hidden: number): number {
  const alpha = config.neftune_noise_alpha;
  if (alpha === null) return 0;
  return alpha / Math.sqrt(Math.max(...rows.map((row) => row.ids.length)) * hidden);
}

export interface LossSettings {
  readonly kind: "nll" | "dft";
  readonly smoothing: number;
}

/** The whole of SFT on the GPU: forward, loss, then the same path backward. Held-out loss is plain cross-entropy. */
export function sftObjective(loss: LossSettings): Objective {
  return {
    columns: [],
    metrics: METRIC_FIELDS,
    record(bench) {
      const plain: LossSettings = { kind: "nll", smoothing: 0 };
      return [
        ...recordTraining(bench, { temperature: 1, noisy: true, loss: (part) => recordLoss(part, loss) }),
        recordEvaluation(bench, { temperature: 1, loss: (part) => recordLoss(part, plain) }),
      ];
    },
  };
}

function recordLoss(part: LossPart, settings: LossSettings): void {
  const { recorder, profile, capacity, tables, metrics, out, argmax, upstream } = part;
  const { targets, weights: weight } = tables;
  const loss = recorder.alloc("loss", [capacity.M]);
  crossEntropy(recorder, { out, weight, upstream, loss }, settings);
  metricsReduce(recorder, { out, loss, argmax, targets, weight, metrics }, { threads: profile.rowThreads });
}
