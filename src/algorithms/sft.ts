import type { SftConfig } from "../config/fields.ts";
import { type DataCursor, optimizerSteps, totalSteps } from "../data/batches.ts";
import type { TrainingRow } from "../data/packed_rows.ts";
import { crossEntropy } from "../kernels/loss/cross_entropy.ts";
import { METRIC_FIELDS, metricsReduce } from "../kernels/loss/metrics_reduce.ts";
import type { ModelContext } from "../model/context.ts";
import { decoderBackward, decoderForward } from "../model/decoder.ts";
import { headBackward, headForward } from "../model/head.ts";
import type { Engine } from "../trainer/engine.ts";
import { evaluateRows } from "../trainer/evaluation.ts";
import type { DoneStep, Method, StepPlace } from "../trainer/method.ts";
import { type StepRecord, sftLogValues } from "../trainer/metrics.ts";
import { batchOptions, capacityFor, countTargets, countTokens, toBatchRows } from "../trainer/micro_batch.ts";
import type { Objective, Workbench } from "../trainer/objective.ts";
import { buildSftData, loadDataset, type SftData } from "../trainer/prepare_data.ts";
import { type Algorithm, largest, type Prepared, type PrepareInput } from "./algorithm.ts";

/**
 * SFT, supervised fine-tuning: the cross-entropy of the tokens to learn. InstructGPT, arXiv:2203.02155, section 3.5;
 * dft weighs each token by its own probability, arXiv:2508.05629.
 *
 *   loss = sum over learned tokens of -log p / (learned tokens of all micro-batches of the step)
 */
export const sft: Algorithm<SftConfig> = { prepare };

async function prepare({ host, config, tools, skipBadRows }: PrepareInput<SftConfig>): Promise<Prepared> {
  const dataset = await loadDataset(host, config, tools.template !== undefined, skipBadRows);
  const data = buildSftData(dataset, tools, config);
  const { train, validation } = data;
  return {
    dataset,
    notes: data.notes,
    trainRows: train.length,
    heldOutRows: validation.length,
    sftRows: data,
    capacity: largest([
      capacityFor(train, config.batch_size),
      capacityFor(validation, config.eval_batch_size),
    ]),
    maxLength: Math.max(...[...train, ...validation].flatMap((row) => row.lengths)),
    micros: config.gradient_accumulation_steps,
    objective: sftObjective({ kind: config.loss_type, smoothing: config.label_smoothing_factor }),
    needs: {},
    generation: undefined,
    start: async ({ engine }) => new SupervisedFineTuning(engine, config, data),
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
  #windows: ReturnType<typeof optimizerSteps>;

  constructor(engine: Engine, config: SftConfig, data: SftData) {
    const options = batchOptions(config, lengthsOf(data));
    this.totalSteps = totalSteps(options, config.num_epochs, config.max_steps ?? undefined);
    this.#engine = engine;
    this.#config = config;
    this.#data = data;
    this.#windows = optimizerSteps(options);
    const { eval_batch_size: batchSize, gradient_accumulation_steps: slots } = config;
    this.evaluate =
      data.validation.length > 0 ? () => evaluateRows(engine, data.validation, batchSize, slots) : undefined;
  }

  step({ step, learningRate }: StepPlace): DoneStep {
    const config = this.#config;
    const { batches, next, epochsDone } = this.#windows.next().value;
    const micros = batches.map((rows) => rows.map((row) => this.#data.train[row] as TrainingRow));
    const targets = micros.reduce((sum, rows) => sum + countTargets(rows), 0);
    micros.forEach((rows, micro) => {
      const noise = neftuneNoise(config, rows, this.#engine.spec.hidden);
      const weight = targets === 0 ? 0 : 1 / targets;
      this.#engine.accumulate(toBatchRows(rows, weight), { micro, step, seed: config.seed, noise });
    });
    const report = this.#engine.update({ lr: learningRate, step, micros: micros.length });
    this.#cursor = next;
    const tokens = micros.reduce((sum, rows) => sum + countTokens(rows), 0);
    return { report, tokens, epoch: epochsDone, endsEpoch: next.position === 0 };
  }

  logValues(records: readonly StepRecord[]): Record<string, number> {
    return sftLogValues(records);
  }

  state(): DataCursor {
    return this.#cursor;
  }

  restore(state: unknown): void {
    this.#cursor = state as DataCursor;
    this.#windows = optimizerSteps(batchOptions(this.#config, lengthsOf(this.#data)), this.#cursor);
  }
}

function lengthsOf({ train }: SftData): number[] {
  return train.map((row) => row.ids.length);
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
      const train = bench.pass("train", "policy", { trains: true, noisy: true });
      const acts = recordLoss(bench, train, loss, bench.rematerialize);
      const dHidden = headBackward(train, acts.decoder.finalNorm.y, acts.head, acts.upstream, 1);
      decoderBackward(train, acts.decoder, dHidden);
      const evaluate = bench.pass("evaluate", "policy");
      recordLoss(bench, evaluate, { kind: "nll", smoothing: 0 });
      return [train.recorder, evaluate.recorder];
    },
  };
}

/** Forward, loss and metrics of one micro-batch. */
function recordLoss(bench: Workbench, context: ModelContext, loss: LossSettings, rematerialize = false) {
  const { recorder, capacity, profile, tables } = context;
  const decoder = decoderForward(context, rematerialize);
  const head = headForward(context, decoder.finalNorm.y, 1);
  const { out, argmax } = head;
  const upstream = recorder.alloc("upstream", [capacity.M, 3]);
  const losses = recorder.alloc("loss", [capacity.M]);
  const { targets, weights: weight } = tables;
  crossEntropy(recorder, { out, weight, upstream, loss: losses }, loss);
  const { metrics } = bench;
  metricsReduce(
    recorder,
    { out, loss: losses, argmax, targets, weight, metrics },
    { threads: profile.rowThreads },
  );
  return { upstream, decoder, head };
}
