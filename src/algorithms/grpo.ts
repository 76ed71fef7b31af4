import type { GroupConfig } from "../config/fields.ts";
import { rewardNames } from "../config/rewards.ts";
import { takeColumn } from "../kernels/elementwise/take_column.ts";
import { GROUP_METRICS, type GroupLossSettings, groupLoss } from "../kernels/loss/group_loss.ts";
import { AppError } from "../lib/errors.ts";
import { numbersFromText, numbersToText } from "../lib/number_text.ts";
import { groupAdvantages, rewardMetrics } from "../losses/advantages.ts";
import { completionMetrics } from "../losses/completion_metrics.ts";
import { overlongPenalty } from "../losses/overlong.ts";
import { entropyWeight, tokenWeights } from "../losses/token_weights.ts";
import type { BatchRow } from "../model/batch_tables.ts";
import { decoderForward } from "../model/decoder.ts";
import { headForward } from "../model/head.ts";
import { Accumulation } from "../trainer/accumulation.ts";
import type { Engine } from "../trainer/engine.ts";
import type { DoneStep, Method, MethodEvents, StepPlace } from "../trainer/method.ts";
import { meanByName, type StepRecord } from "../trainer/metrics.ts";
import { inPasses, passesOfBatch, passSize } from "../trainer/micro_batch.ts";
import type { Objective, Workbench } from "../trainer/objective.ts";
import { type LossPart, recordTraining } from "../trainer/record_training.ts";
import {
  type Algorithm,
  type EngineNeeds,
  movesReference,
  type Prepared,
  type PrepareInput,
} from "./algorithm.ts";
import { combineMetrics, groupLogValues } from "./group_metrics.ts";
import {
  adjustedRewards,
  type Completion,
  completionRow,
  logpGap,
  type RolloutSource,
  recordOf,
} from "./rollout.ts";
import { prepareRollouts, type RolloutLengths, rolloutCapacity } from "./rollout_source.ts";

/**
 * GRPO, Group Relative Policy Optimization, DeepSeekMath, arXiv:2402.03300, section 4.1; and what differs from it in
 * settings alone: Dr. GRPO, arXiv:2503.20783; DAPO, arXiv:2503.14476; GSPO, arXiv:2507.18071.
 *
 * No critic: what a completion is worth is told by the others of its own prompt.
 *   A    = (r - mean r) / (std r + 1e-4), the same for every token of a completion; Dr. GRPO leaves the division out
 *   loss = sum over tokens of w [ -min(ratio A, clip(ratio) A) + beta KL(policy || reference) ]
 * The weights w hold mask and normaliser: GRPO takes the mean over completions of means over tokens, Dr. GRPO divides by a
 * constant length, DAPO by the tokens of the rollout. GSPO has one ratio a completion, DAPO more room above than below,
 * a penalty for overlong answers, and samples again what teaches nothing.
 */
export const grpo: Algorithm<GroupConfig> = { prepare };

async function prepare(input: PrepareInput<GroupConfig>): Promise<Prepared> {
  const { config } = input;
  const rollouts = await prepareRollouts(input, {
    completions: config.batch_size * config.steps_per_generation,
    samplesPerPrompt: config.num_generations,
  });
  return {
    ...rollouts.prepared,
    ...groupPlan(config, rollouts.lengths),
    start: async (parts) => new GroupMethod(parts.engine, config, await rollouts.open(parts), parts.events),
  };
}

/** What the engine must hold for completions of these lengths. */
export function groupPlan(config: GroupConfig, lengths: RolloutLengths): EngineNeeds {
  // The threshold of entropy is one of all the tokens of a micro-batch.
  const isSplit = passesOfBatch(config) > 1 && config.top_entropy_quantile < 1;
  return {
    capacity: rolloutCapacity(passSize(config), lengths),
    whole: isSplit ? rolloutCapacity(config.batch_size, lengths) : undefined,
    maxLength: lengths.maxLength,
    micros: config.gradient_accumulation_steps * passesOfBatch(config),
    objective: groupObjective(lossSettings(config), config.temperature),
    needs: { reference: config.beta > 0 },
  };
}

/** Whether every completion is used exactly once in the very next update: the old policy is then the new one. */
function isOnPolicy(config: GroupConfig): boolean {
  const uses = config.steps_per_generation * config.num_iterations;
  return config.gradient_accumulation_steps % uses === 0;
}

function lossSettings(config: GroupConfig): GroupLossSettings {
  return {
    lossType: config.loss_type,
    level: config.importance_sampling_level,
    epsilon: config.epsilon,
    epsilonHigh: config.epsilon_high,
    delta: config.delta,
    beta: config.beta,
    biasCorrection: config.use_bias_correction_kl,
    topEntropyQuantile: config.top_entropy_quantile,
    offPolicyThreshold: config.off_policy_mask_threshold,
    onPolicy: isOnPolicy(config),
  };
}

/** A rollout that is being learned from. */
interface Rollout {
  readonly rows: readonly LearnedRow[];
  /** Tokens that count, of all rows. */
  readonly tokens: number;
}

interface LearnedRow {
  readonly completion: Completion;
  readonly advantage: number;
  /** Of the completion's tokens; empty where the loss does not read them. */
  readonly oldLogp: readonly number[];
  readonly refLogp: readonly number[];
}

interface State {
  /** Micro-batches done since the start of the run. */
  readonly used: number;
  readonly rollouts: number;
  readonly rollout: Rollout | undefined;
  readonly source: unknown;
}

/** An error after gradients were added up: the step cannot be taken up again. */
function midStep(error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  return new AppError(error.code, error.message, {
    details: { ...error.details, midStep: true },
    cause: error,
  });
}

/** The step: roll out and score where it is time to, then accumulate the micro-batches of the rollout, then update. */
export class GroupMethod implements Method {
  readonly totalSteps: number;
  readonly evaluate: Method["evaluate"];
  readonly #engine: Engine;
  readonly #config: GroupConfig;
  readonly #source: RolloutSource;
  readonly #events: MethodEvents;
  readonly #onPolicy: boolean;
  #used = 0;
  #rollouts = 0;
  #rollout: Rollout | undefined;

  constructor(engine: Engine, config: GroupConfig, source: RolloutSource, events: MethodEvents) {
    this.#engine = engine;
    this.#config = config;
    this.#source = source;
    this.#events = events;
    this.#onPolicy = isOnPolicy(config);
    const stepsPerRollout =
      (config.steps_per_generation * config.num_iterations) / config.gradient_accumulation_steps;
    const rolloutsPerEpoch = source.rolloutsPerEpoch(this.#size, config.num_generations);
    const steps = Math.max(1, Math.ceil(config.num_epochs * rolloutsPerEpoch * stepsPerRollout));
    this.totalSteps = config.max_steps ?? steps;
    this.evaluate = source.evaluate;
  }

  /** Completions of a rollout. */
  get #size(): number {
    return this.#config.batch_size * this.#config.steps_per_generation;
  }

  async step({ step, learningRate }: StepPlace): Promise<DoneStep> {
    const { gradient_accumulation_steps: micros, steps_per_generation: parts, batch_size } = this.#config;
    const uses = parts * this.#config.num_iterations;
    const values: Promise<Record<string, number>>[] = [];
    const accumulation = new Accumulation(this.#engine, { step, seed: 0 });
    let tokens = 0;
    let fresh = false;
    let pause: string | undefined;
    for (let micro = 0; micro < micros; micro++, this.#used++) {
      const use = this.#used % uses;
      if (use === 0) {
        fresh = true;
        const begun = await this.#rollOut(step).catch((error) => {
          throw micro === 0 ? error : midStep(error);
        });
        values.push(Promise.resolve(begun.values));
        pause ??= begun.pause;
      }
      const rollout = this.#rollout as Rollout;
      const part = use % parts;
      const rows = rollout.rows.slice(part * batch_size, (part + 1) * batch_size);
      const batch = this.#weighted(rows, rollout.tokens);
      tokens += batch.reduce((sum, row) => sum + row.ids.length, 0);
      const passes = inPasses(batch, passSize(this.#config));
      // Until the next update the policy is the one that generated, and only then the two can be compared.
      if (fresh) {
        const scores = accumulation.addScored(passes);
        values.push(scores.then((logps) => logpGap(rows.map(live).filter(isLearned), logps)));
      } else accumulation.add(passes);
    }
    const report = accumulation.update(learningRate);
    if (this.#config.beta > 0 && movesReference(this.#config, step + 1)) this.#engine.moveReference();
    const { epoch, endsEpoch } = this.#source.place;
    return { report, tokens, epoch, endsEpoch, values: merged(values), pause };
  }

  /** A new rollout: generate, score, reference, old policy, advantages. */
  async #rollOut(step: number): Promise<{ values: Record<string, number>; pause: string | undefined }> {
    const config = this.#config;
    const { completions, values: sampling, pause } = await this.#collect(step);
    const rows = completions.map((completion, i) => completionRow(live(completion), i));
    const reference = config.beta > 0 ? await this.#engine.score("reference", rows) : [];
    const old = this.#onPolicy ? [] : await this.#engine.score("policy", rows);

    const penalties = completions.map(({ ids }) => this.#penalty(ids.length));
    const adjusted = adjustedRewards(completions, config.rewards);
    const rewards = completions.map((completion, i) => [...completion.rewards, ...(penalties[i] ?? [])]);
    const names = [...rewardNames(config.rewards), ...(config.overlong_penalty ? ["soft_overlong"] : [])];
    const weights = [...config.rewards.map(({ weight }) => weight), ...(config.overlong_penalty ? [1] : [])];
    const parts = adjusted.map((row, i) => [...row, ...(penalties[i] ?? [])]);
    const worth = groupAdvantages(parts, weights, config.num_generations, {
      scale: config.scale_rewards,
      aggregation: config.multi_objective_aggregation,
    });

    const learned = completions.map((completion, i) => ({
      completion: this.#counts(completion) ? completion : { ...completion, masked: true },
      advantage: worth.advantages[i] ?? 0,
      oldLogp: [...(old[i] ?? [])],
      refLogp: [...(reference[i] ?? [])],
    }));
    this.#rollout = { rows: learned, tokens: learned.reduce((sum, row) => sum + liveTokens(row), 0) };
    this.#events.rollout?.(
      completions.map((completion, i) =>
        recordOf(completion, {
          rollout: this.#rollouts,
          step: step + 1,
          rewards: Object.fromEntries(names.map((name, k) => [name, rewards[i]?.[k] ?? null])),
          reward: worth.total[i] ?? null,
          advantage: worth.advantages[i] ?? 0,
        }),
      ),
    );
    this.#rollouts += 1;
    const lengths = completions.map(({ ids, truncated }) => ({ length: ids.length, truncated }));
    const values = {
      ...sampling,
      ...worth.metrics,
      ...rewardMetrics(rewards, names),
      ...completionMetrics(lengths),
    };
    return { values, pause };
  }

  /**
   * The completions of a rollout. With dynamic sampling, groups whose rewards are all the same are replaced by groups of
   * further prompts, for a bounded number of rounds; what is then still missing is filled up with such groups.
   */
  async #collect(step: number) {
    const { rewards, num_generations: size, dynamic_sampling } = this.#config;
    const { dynamic_sampling_max_rounds: rounds } = this.#config;
    const wanted = this.#size / size;
    const state = { global_step: step, max_steps: this.totalSteps, epoch: this.#source.place.epoch };
    let drawn = await this.#source.next(wanted, size, state);
    if (!dynamic_sampling) return { ...drawn, values: {} };
    const kept: Completion[][] = [];
    const flat: Completion[][] = [];
    let resampled = 0;
    let pause = drawn.pause;
    for (let round = 0; ; round++) {
      const groups = chunks(drawn.completions, size);
      const { informative } = groupAdvantages(
        adjustedRewards(drawn.completions, rewards),
        rewards.map(({ weight }) => weight),
        size,
        { scale: "none", aggregation: "sum_then_normalize" },
      );
      groups.forEach((group, i) => {
        (informative[i] ? kept : flat).push(group);
      });
      const missing = wanted - kept.length;
      if (missing <= 0 || round >= rounds || pause !== undefined) break;
      resampled += missing;
      drawn = await this.#source.next(missing, size, state);
      pause ??= drawn.pause;
    }
    const completions = [...kept, ...flat].slice(0, wanted).flat();
    const values = {
      "dynamic_sampling/resampled_groups": resampled,
      "dynamic_sampling/flat_groups": Math.max(0, wanted - kept.length),
    };
    return { completions, values, pause };
  }

  #penalty(length: number): readonly number[] {
    const { overlong_penalty, overlong_buffer: buffer, max_completion_length } = this.#config;
    if (!overlong_penalty) return [];
    return [overlongPenalty(length, { maxCompletionLength: max_completion_length, buffer })];
  }

  #counts({ truncated }: Completion): boolean {
    return !(truncated && this.#config.mask_truncated_completions);
  }

  /** A micro-batch for the engine: weights, advantages and the other policies' log-probabilities with each token. */
  #weighted(rows: readonly LearnedRow[], rolloutTokens: number): BatchRow[] {
    const { gradient_accumulation_steps: microBatches, entropy_coef: entropyCoef } = this.#config;
    const tokens = rows.map(liveTokens);
    const weights = tokenWeights(tokens, {
      lossType: this.#config.loss_type,
      microBatches,
      rolloutTokens,
      stepsPerGeneration: this.#config.steps_per_generation,
      maxCompletionLength: this.#config.max_completion_length,
    });
    const all = tokens.reduce((a, b) => a + b, 0);
    const bonus = -entropyWeight(all, { entropyCoef, microBatches });
    return rows.flatMap((row, i) => {
      const plain = completionRow(live(row), i);
      if (plain.targets.length === 0) return []; // nothing of it is read
      const { oldLogp, refLogp, advantage } = row;
      // What the loss does not read was not computed.
      const columns = { ...(oldLogp.length > 0 && { oldLogp }), ...(refLogp.length > 0 && { refLogp }) };
      const weight = weights[i] ?? 0;
      return [
        { ...plain, weights: Array.from(plain.targets, () => weight), columns, info: [advantage, bonus] },
      ];
    });
  }

  logValues(records: readonly StepRecord[]): Record<string, number> {
    return groupLogValues(records, this.#config);
  }

  state(): string {
    const source = this.#source.state();
    const state: State = { used: this.#used, rollouts: this.#rollouts, rollout: this.#rollout, source };
    return numbersToText(state);
  }

  restore(text: unknown): void {
    const state = numbersFromText(String(text)) as State;
    this.#used = state.used;
    this.#rollouts = state.rollouts;
    this.#rollout = state.rollout;
    this.#source.restore(state.source);
  }

  close(): void {
    this.#source.close();
  }
}

function live(row: LearnedRow | Completion): Completion {
  return "completion" in row ? row.completion : row;
}

function isLearned(completion: Completion): boolean {
  return !completion.masked && completion.ids.length > 0;
}

function liveTokens({ completion }: LearnedRow): number {
  return completion.masked ? 0 : completion.ids.length;
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < list.length; i += size) parts.push(list.slice(i, i + size));
  return parts;
}

/** Values of the rollouts that began in a step: their mean, name by name. */
async function merged(values: readonly Promise<Record<string, number>>[]): Promise<Record<string, number>> {
  return meanByName(await Promise.all(values));
}

/** The programs: log-probabilities under policy and reference, and the loss with its whole way back. */
export function groupObjective(
  settings: GroupLossSettings,
  temperature: number,
  withReference = settings.beta > 0,
): Objective {
  return {
    columns: ["oldLogp", "refLogp"],
    metrics: GROUP_METRICS,
    combine: combineMetrics,
    record(bench) {
      const loss = (part: LossPart) => {
        const { recorder, profile, out, argmax, upstream, metrics } = part;
        const { targets, weights, rows } = part.tables;
        const [oldLogp, refLogp] = [part.column("oldLogp"), part.column("refLogp")];
        const tables = { targets, weights, rows, oldLogp, refLogp };
        groupLoss(recorder, { ...tables, out, argmax, upstream, metrics }, settings, profile.rowThreads);
      };
      const scorers = (withReference ? (["policy", "reference"] as const) : (["policy"] as const)).map(
        (which) => recordScores(bench, which, temperature),
      );
      return [...recordTraining(bench, { temperature, scored: true, loss }), ...scorers];
    },
  };
}

/** Log-probabilities of the targets under one of the models, into `scores`. */
export function recordScores(bench: Workbench, which: "policy" | "reference", temperature: number) {
  const context = bench.pass(which, which);
  const { finalNorm } = decoderForward(context, false);
  const { out } = headForward(context, finalNorm.y, temperature);
  takeColumn(context.recorder, { x: out, y: bench.scores }, 0);
  return context.recorder;
}
