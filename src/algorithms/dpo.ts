import type { DpoConfig } from "../config/fields.ts";
import { type DataCursor, takeStep, windowOf } from "../data/batches.ts";
import type { PreferencePair } from "../data/preference_examples.ts";
import type { TrainRows } from "../data/train_rows.ts";
import { takeColumn } from "../kernels/elementwise/take_column.ts";
import { DPO_METRICS, type DpoLossSettings, dpoLoss } from "../kernels/loss/dpo_loss.ts";
import type { BatchRow, Capacity } from "../model/batch_tables.ts";
import { decoderForward } from "../model/decoder.ts";
import { headForward } from "../model/head.ts";
import { Accumulation } from "../trainer/accumulation.ts";
import type { Engine } from "../trainer/engine.ts";
import type { DoneStep, Method, StepPlace } from "../trainer/method.ts";
import { mean, type StepRecord } from "../trainer/metrics.ts";
import { batchShape, inPasses, passesOfBatch, passSize, stepsOfRun } from "../trainer/micro_batch.ts";
import type { Objective, Workbench } from "../trainer/objective.ts";
import { type LossPart, recordEvaluation, recordTraining } from "../trainer/record_training.ts";
import { type MicroMetrics, sumOf } from "../trainer/report.ts";
import { preferenceEncoding, type TrainData, trainData } from "../trainer/row_encodings.ts";
import {
  type Algorithm,
  type EngineNeeds,
  largest,
  most,
  movesReference,
  type Prepared,
  type PrepareInput,
} from "./algorithm.ts";

/**
 * DPO, Direct Preference Optimization, arXiv:2305.18290, equation 7, and the losses that came after it.
 *
 *   delta = log pi(chosen) / ref(chosen) - log pi(rejected) / ref(rejected), sums over the tokens of the answers
 *   loss  = mean over pairs of -log sigmoid(beta delta)
 * The reference is the model as the run found it. Micro-batches of a step are averaged, as in trl.
 */
export const dpo: Algorithm<DpoConfig> = { prepare };

async function prepare(input: PrepareInput<DpoConfig>): Promise<Prepared> {
  const { config, tools } = input;
  const data = await trainData(input, preferenceEncoding(tools, config));
  const { dataset, train, validation, notes } = data;
  return {
    ...{ dataset, notes, trainRows: train.count, heldOutRows: validation.length, generation: undefined },
    ...preferencePlan(config, data),
  };
}

type PreferenceData = Pick<TrainData<PreferencePair>, "train" | "validation">;

/** What the engine must hold for these pairs, and the algorithm at work on it. */
export function preferencePlan(
  config: DpoConfig,
  data: PreferenceData,
): EngineNeeds & Pick<Prepared, "start"> {
  const { train, validation } = data;
  const settings = lossSettings(config);
  const isSplit = passesOfBatch(config) > 1;
  return {
    whole: isSplit && looksAcross(settings) ? pairCapacity(train.bounds, config.batch_size) : undefined,
    capacity: largest([
      pairCapacity(train.bounds, passSize(config)),
      pairCapacity(validation, config.eval_batch_size),
    ]),
    maxLength: most([...train.bounds, ...validation], longest),
    micros: config.gradient_accumulation_steps * passesOfBatch(config),
    objective: dpoObjective(settings),
    needs: { reference: !config.reference_free },
    start: async ({ engine }) => {
      const known = config.precompute_ref_log_probs ? await precompute(engine, data) : undefined;
      return new PreferenceOptimization(engine, config, data, known);
    },
  };
}

function lossSettings(config: DpoConfig): DpoLossSettings {
  const weights = config.loss_weights ?? config.loss_type.map(() => 1);
  const losses = config.loss_type.map((type, i) => ({ type, weight: weights[i] ?? 1 }));
  const chosenToo = config.rpo_alpha === null ? [] : [{ type: "sft" as const, weight: config.rpo_alpha }];
  return {
    losses: [...losses, ...chosenToo],
    beta: config.beta,
    labelSmoothing: config.label_smoothing,
    divergence: config.f_divergence_type,
    alphaCoef: config.f_alpha_divergence_coef,
    ldAlpha: config.ld_alpha,
    referenceFree: config.reference_free,
    weighting: config.use_weighting,
    discopopTau: config.discopop_tau,
  };
}

/** Whether a pair's loss depends on the other pairs: aot sorts them, WPO weighs the chosen answers by a mean of all. */
function looksAcross({ losses, weighting }: DpoLossSettings): boolean {
  return losses.some(
    ({ type, weight }) => weight !== 0 && (type.startsWith("aot") || (type === "sft" && weighting)),
  );
}

/** Reference log-probabilities of both answers of a pair, when they were computed before training. */
interface KnownReference {
  readonly chosen: Float32Array;
  readonly rejected: Float32Array;
}

/** The step: for each micro-batch the reference, then loss and gradients; then update. Nothing waits for the GPU. */
export class PreferenceOptimization implements Method {
  readonly totalSteps: number;
  readonly evaluate: Method["evaluate"];
  readonly #engine: Engine;
  readonly #config: DpoConfig;
  readonly #pairs: TrainRows<PreferencePair>;
  readonly #known: ReadonlyMap<PreferencePair, KnownReference> | undefined;
  #cursor: DataCursor = { epoch: 0, position: 0 };

  constructor(
    engine: Engine,
    config: DpoConfig,
    { train, validation }: PreferenceData,
    known?: ReadonlyMap<PreferencePair, KnownReference>,
  ) {
    this.totalSteps = stepsOfRun(train, config);
    this.#engine = engine;
    this.#config = config;
    this.#pairs = train;
    this.#known = known;
    this.evaluate = validation.length > 0 ? () => this.#heldOut(validation) : undefined;
  }

  async step({ step, learningRate }: StepPlace): Promise<DoneStep> {
    const shape = batchShape(this.#config);
    const { batches: micros, next, epochsDone, notes } = await takeStep(this.#pairs, shape, this.#cursor);
    const accumulation = new Accumulation(this.#engine, { step, seed: 0 });
    for (const pairs of micros) {
      const passes = inPasses(pairRows(pairs, micros.length, this.#known), 2 * passSize(this.#config));
      accumulation.add(passes, { before: this.#reference });
    }
    const report = accumulation.update(learningRate);
    if (movesReference(this.#config, step + 1)) this.#engine.moveReference();
    this.#cursor = next;
    this.#pairs.ahead(next, windowOf(shape));
    const tokens = micros.flat().reduce((sum, pair) => sum + tokensOf(pair), 0);
    return { report, tokens, notes, epoch: epochsDone, endsEpoch: next.position === 0 };
  }

  /** The program that runs before a loss, where the reference is not known: its log-probabilities never leave the GPU. */
  get #reference(): string | undefined {
    return this.#config.reference_free || this.#known ? undefined : "reference";
  }

  /** Loss and metrics of pairs that do not train: means over pairs, whatever the batch size. */
  async #heldOut(pairs: readonly PreferencePair[]): Promise<Record<string, number>> {
    const { eval_batch_size: size, gradient_accumulation_steps: slots } = this.#config;
    const micros: MicroMetrics[] = [];
    for (let first = 0; first < pairs.length; first += size * slots) {
      const group = pairs.slice(first, first + size * slots);
      const batches = Math.ceil(group.length / size);
      inPasses(group, size).forEach((batch, micro) => {
        const counts = this.#engine.load(pairRows(batch, 1, this.#known));
        if (this.#reference) this.#engine.execute(this.#reference, counts);
        this.#engine.execute("evaluate", counts, { micro, step: 0, seed: 0, noise: 0 });
      });
      micros.push(...(await this.#engine.readEvaluation(batches)).micros);
    }
    const values = { loss: weightedLoss(micros), ...preferenceValues([sumOf(micros)]) };
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [`eval_${name}`, value]));
  }

  logValues(records: readonly StepRecord[]): Record<string, number> {
    const last = records.at(-1);
    if (!last) return {};
    const losses = records.map(({ report }) => report.micros.reduce((sum, micro) => sum + micro.loss, 0));
    return {
      loss: mean(losses),
      grad_norm: last.report.gradNorm,
      learning_rate: last.learningRate,
      epoch: last.epoch,
      num_tokens: last.numTokens,
      ...preferenceValues(records.flatMap(({ report }) => report.micros)),
    };
  }

  state(): DataCursor {
    return this.#cursor;
  }

  restore(state: unknown): void {
    this.#cursor = state as DataCursor;
  }

  close(): void {
    this.#pairs.close();
  }
}

/** trl's metrics: a mean over each micro-batch, then a plain mean over micro-batches. */
function preferenceValues(micros: readonly MicroMetrics[]): Record<string, number> {
  const by = (of: string, count: string) =>
    mean(micros.map((micro) => (micro[of] ?? 0) / Math.max(1, micro[count] ?? 0)));
  const [chosen, rejected] = [by("rewardsChosen", "pairs"), by("rewardsRejected", "pairs")];
  return {
    "rewards/chosen": chosen,
    "rewards/rejected": rejected,
    "rewards/accuracies": by("rewardsAccuracies", "pairs"),
    "rewards/margins": chosen - rejected,
    "logps/chosen": by("logpsChosen", "pairs"),
    "logps/rejected": by("logpsRejected", "pairs"),
    "logits/chosen": by("logitsChosen", "chosenTokens"),
    "logits/rejected": by("logitsRejected", "rejectedTokens"),
    entropy: by("entropy", "live"),
    mean_token_accuracy: by("chosenCorrect", "chosenTokens"),
  };
}

/** Each micro-batch's loss is a mean over its pairs; the last may have fewer. */
function weightedLoss(micros: readonly MicroMetrics[]): number {
  const pairs = (micro: MicroMetrics) => micro["pairs"] ?? 0;
  const all = micros.reduce((sum, micro) => sum + pairs(micro), 0);
  return micros.reduce((sum, micro) => sum + micro.loss * pairs(micro), 0) / all;
}

function tokensOf({ chosen, rejected }: PreferencePair): number {
  return chosen.ids.length + rejected.ids.length;
}

function longest({ chosen, rejected }: PreferencePair): number {
  return Math.max(chosen.ids.length, rejected.ids.length);
}

/** Chosen and rejected of each pair side by side, each answer's tokens being targets. */
export function pairRows(
  pairs: readonly PreferencePair[],
  microBatches: number,
  known?: ReadonlyMap<PreferencePair, KnownReference>,
): BatchRow[] {
  const chosenTokens = pairs.reduce((sum, { chosen }) => sum + chosen.ids.length - chosen.firstTarget, 0);
  const info = [1 / (pairs.length * microBatches), 1 / (Math.max(1, chosenTokens) * microBatches)] as const;
  return pairs.flatMap((pair) => {
    const reference = known?.get(pair);
    return (["chosen", "rejected"] as const).map((side) => {
      const { ids, firstTarget } = pair[side];
      const targets = Array.from({ length: ids.length - firstTarget }, (_, t) => firstTarget + t);
      const columns = reference ? { refLogp: reference[side] } : {};
      return { ids, key: pair.rowIndex, targets, weights: targets.map(() => 1), columns, info };
    });
  });
}

/** What any micro-batch of `batchSize` of these pairs can need at most. */
function pairCapacity(pairs: readonly PreferencePair[], batchSize: number): Capacity {
  const largestSum = (of: (pair: PreferencePair) => number) =>
    pairs
      .map(of)
      .sort((a, b) => b - a)
      .slice(0, batchSize)
      .reduce((a, b) => a + b, 0);
  const targets = ({ chosen, rejected }: PreferencePair) =>
    chosen.ids.length - chosen.firstTarget + rejected.ids.length - rejected.firstTarget;
  return {
    N: Math.max(1, largestSum(tokensOf)),
    M: Math.max(1, largestSum(targets)),
    R: 2 * Math.max(1, Math.min(batchSize, pairs.length)),
  };
}

/** Every pair scored with the reference once; the model on the GPU is still the one that the run found. */
async function precompute(
  engine: Engine,
  { train, validation }: PreferenceData,
): Promise<ReadonlyMap<PreferencePair, KnownReference>> {
  // Every pair is known: with precompute_ref_log_probs rows are never streamed.
  const pairs = [...train.known, ...validation];
  const scores = await engine.score("reference", pairRows(pairs, 1));
  const empty = new Float32Array();
  return new Map(
    pairs.map((pair, i) => [pair, { chosen: scores[2 * i] ?? empty, rejected: scores[2 * i + 1] ?? empty }]),
  );
}

/** The programs: the reference's log-probabilities, and the loss without and with its whole way back. */
export function dpoObjective(settings: DpoLossSettings): Objective {
  return {
    columns: ["refLogp"],
    metrics: DPO_METRICS,
    record(bench) {
      const loss = (part: LossPart) => {
        const { recorder, profile, out, argmax, logCollision, upstream, metrics } = part;
        const { targets, rowOf, rows } = part.tables;
        const tables = { targets, rowOf, rows, refLogp: part.column("refLogp") };
        const tensors = { out, argmax, logCollision, upstream, metrics };
        dpoLoss(recorder, { ...tables, ...tensors }, settings, profile.rowThreads);
      };
      const programs = [
        ...recordTraining(bench, { temperature: 1, loss }),
        recordEvaluation(bench, { temperature: 1, scored: true, loss }),
      ];
      return settings.referenceFree ? programs : [...programs, recordReference(bench)];
    },
  };
}

/** The reference's log-probabilities into the tables that the loss reads, and into the scores. */
function recordReference(bench: Workbench) {
  const context = bench.pass("reference", "reference");
  const { finalNorm } = decoderForward(context, false);
  const { out } = headForward(context, finalNorm.y, 1);
  takeColumn(context.recorder, { x: out, y: bench.column("refLogp") }, 0);
  takeColumn(context.recorder, { x: out, y: bench.scores }, 0);
  return context.recorder;
}
