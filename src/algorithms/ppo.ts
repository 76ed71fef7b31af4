import type { PpoConfig } from "../config/fields.ts";
import { rewardNames } from "../config/rewards.ts";
import { takeColumn } from "../kernels/elementwise/take_column.ts";
import { linearBackwardW } from "../kernels/linear/linear_backward_w.ts";
import { linearNn } from "../kernels/linear/linear_nn.ts";
import { linearNt } from "../kernels/linear/linear_nt.ts";
import type { Weight } from "../kernels/linear/weight.ts";
import { PPO_METRICS, ppoPolicyLoss } from "../kernels/loss/ppo_policy.ts";
import { valueLoss } from "../kernels/loss/value_loss.ts";
import { numbersFromText, numbersToText } from "../lib/number_text.ts";
import { hash, Random } from "../lib/random.ts";
import { rewardMetrics } from "../losses/advantages.ts";
import { completionMetrics } from "../losses/completion_metrics.ts";
import { adaptKlCoef, ppoTargets } from "../losses/gae.ts";
import type { BatchRow } from "../model/batch_tables.ts";
import { decoderBackward, decoderForward } from "../model/decoder.ts";
import { headBackward, headForward } from "../model/head.ts";
import { combine } from "../rewards/combine.ts";
import type { RolloutRecord } from "../rollout/record.ts";
import { Accumulation } from "../trainer/accumulation.ts";
import type { Engine } from "../trainer/engine.ts";
import type { DoneStep, Method, MethodEvents, StepPlace } from "../trainer/method.ts";
import { mean, meanByName, type StepRecord } from "../trainer/metrics.ts";
import { inPasses, passSize } from "../trainer/micro_batch.ts";
import type { Objective, Workbench } from "../trainer/objective.ts";
import type { Algorithm, EngineNeeds, Prepared, PrepareInput } from "./algorithm.ts";
import { recordScores } from "./grpo.ts";
import { type Completion, completionRow, logpGap, type RolloutSource, recordOf } from "./rollout.ts";
import { prepareRollouts, type RolloutLengths, rolloutCapacity } from "./rollout_source.ts";

/**
 * PPO, Proximal Policy Optimization, arXiv:1707.06347, equations 7 and 9, for language models as in InstructGPT,
 * arXiv:2203.02155: the distance from the reference lowers the reward of each token, the score comes with the last one.
 *
 *   A    = generalised advantages (arXiv:1506.02438) of rewards and values, whitened over the rollout
 *   loss = mean over tokens of max(-ratio A, -clip(ratio) A) + vf_coef / 2 max((v - R)^2, (clip(v) - R)^2)
 * The value model is the same base with an adapter and a scalar head of its own. Means are over the tokens of a mini-batch,
 * and every mini-batch is an optimizer step.
 */
export const ppo: Algorithm<PpoConfig> = { prepare };

async function prepare(input: PrepareInput<PpoConfig>): Promise<Prepared> {
  const { config } = input;
  const completions = rolloutSize(config);
  const rollouts = await prepareRollouts(input, { completions, samplesPerPrompt: 1 });
  return {
    ...rollouts.prepared,
    ...ppoPlan(config, rollouts.lengths),
    start: async (parts) =>
      new ProximalPolicyOptimization(parts.engine, config, await rollouts.open(parts), parts.events),
  };
}

/** What the engine must hold for completions of these lengths. */
export function ppoPlan(config: PpoConfig, lengths: RolloutLengths): EngineNeeds {
  return {
    capacity: rolloutCapacity(passSize(config), lengths),
    maxLength: lengths.maxLength,
    micros: Math.ceil(rolloutSize(config) / config.num_mini_batches / passSize(config)),
    objective: ppoObjective(config),
    needs: { reference: true, value: true },
  };
}

/** Completions of a rollout. */
function rolloutSize(config: PpoConfig): number {
  return config.batch_size * config.gradient_accumulation_steps;
}

/** A completion with what its tokens were worth; everything is of its own tokens, in order. */
interface LearnedRow {
  readonly completion: Completion;
  readonly oldLogp: readonly number[];
  readonly oldValues: readonly number[];
  readonly advantages: readonly number[];
  readonly returns: readonly number[];
}

interface State {
  readonly used: number;
  readonly rollouts: number;
  readonly klCoef: number;
  readonly rollout: readonly LearnedRow[];
  readonly source: unknown;
}

/** The step: roll out and score where it is time to, then one mini-batch of the rollout. */
export class ProximalPolicyOptimization implements Method {
  readonly totalSteps: number;
  readonly evaluate: Method["evaluate"];
  readonly #engine: Engine;
  readonly #config: PpoConfig;
  readonly #source: RolloutSource;
  readonly #events: MethodEvents;
  /** Optimizer steps done since the start of the run. */
  #used = 0;
  #rollouts = 0;
  #klCoef: number;
  #rollout: readonly LearnedRow[] = [];

  constructor(engine: Engine, config: PpoConfig, source: RolloutSource, events: MethodEvents) {
    this.#engine = engine;
    this.#config = config;
    this.#source = source;
    this.#events = events;
    this.#klCoef = config.kl_coef;
    const rollouts = Math.ceil(config.num_epochs * source.rolloutsPerEpoch(this.#size, 1));
    this.totalSteps = config.max_steps ?? Math.max(1, rollouts) * this.#stepsPerRollout;
    this.evaluate = source.evaluate;
  }

  get #size(): number {
    return rolloutSize(this.#config);
  }

  get #stepsPerRollout(): number {
    return this.#config.num_ppo_epochs * this.#config.num_mini_batches;
  }

  async step({ step, learningRate }: StepPlace): Promise<DoneStep> {
    const { num_mini_batches: parts } = this.#config;
    const use = this.#used % this.#stepsPerRollout;
    const begun = use === 0 ? await this.#rollOut(step) : undefined;
    this.#used += 1;

    const rows = this.#miniBatch(Math.floor(use / parts), use % parts);
    const tokens = rows.reduce((sum, row) => sum + row.advantages.length, 0);
    const batch = rows.map((row, i) => learnedRow(row, i, 1 / Math.max(1, tokens)));
    const accumulation = new Accumulation(this.#engine, { step, seed: 0 });
    accumulation.add(inPasses(batch, passSize(this.#config)));
    const report = accumulation.update(learningRate);
    const read = batch.reduce((sum, row) => sum + row.ids.length, 0);
    const { epoch, endsEpoch } = this.#source.place;
    const values = { ...begun?.values, episode: this.#rollouts * this.#size };
    return { report, tokens: read, epoch, endsEpoch, values, pause: begun?.pause };
  }

  /** Rows of a mini-batch: every pass over the rollout deals them anew. */
  #miniBatch(pass: number, part: number): readonly LearnedRow[] {
    const { num_mini_batches: parts, seed } = this.#config;
    const all = this.#rollout;
    const size = Math.ceil(this.#size / parts);
    if (parts === 1) return all;
    const order = new Random(seed, hash(this.#rollouts, pass)).permutation(all.length);
    return order.slice(part * size, (part + 1) * size).map((row) => all[row] as LearnedRow);
  }

  /** A new rollout: generate, score, old policy, reference, values, advantages. */
  async #rollOut(step: number): Promise<{ values: Record<string, number>; pause: string | undefined }> {
    const config = this.#config;
    const { completions, pause } = await this.#source.next(this.#size, 1, {
      global_step: step,
      max_steps: this.totalSteps,
      epoch: this.#source.place.epoch,
    });
    const rows = completions.map(completionRow);
    const old = await this.#engine.score("policy", rows);
    const reference = await this.#engine.score("reference", rows);
    const values = await this.#engine.score("values", rows);

    const byReward = config.rewards.map((_, k) =>
      completions.map((completion) => completion.rewards[k] ?? null),
    );
    const totals = combine(config.rewards, byReward);
    // A completion that no reward could score teaches nothing.
    const scored = completions.flatMap((_, i) => (totals[i] === null ? [] : [i]));
    const targets = ppoTargets(
      scored.map((i) => ({
        score: totals[i] ?? 0,
        ended: !completions[i]?.truncated,
        oldLogp: old[i] ?? [],
        refLogp: reference[i] ?? [],
        values: values[i] ?? [],
      })),
      {
        klCoef: this.#klCoef,
        klEstimator: config.kl_estimator,
        missingEosPenalty: config.missing_eos_penalty,
        ...{ gamma: config.gamma, lam: config.lam, whitenRewards: config.whiten_rewards },
      },
    );
    this.#rollout = scored.map((row, i) => ({
      completion: completions[row] as Completion,
      oldLogp: [...(old[row] ?? [])],
      oldValues: [...(values[row] ?? [])],
      advantages: [...(targets.advantages[i] ?? [])],
      returns: [...(targets.returns[i] ?? [])],
    }));
    const rowOf = new Map(scored.map((row, i) => [row, i]));
    this.#tell(step, completions, (row) => ({
      reward: totals[row] ?? null,
      advantage: mean([...(targets.rawAdvantages[rowOf.get(row) ?? -1] ?? [])]),
    }));
    this.#rollouts += 1;
    const klCoef = this.#klCoef;
    this.#adaptKl(targets.meanKl, completions.length);
    const measured = {
      ...targets.metrics,
      ...logpGap(completions, old),
      "objective/kl_coef": klCoef,
      "objective/entropy": mean(old.map((logps) => -logps.reduce((sum, logp) => sum + logp, 0))),
    };
    return { pause, values: { ...measured, ...completionValues(completions, config) } };
  }

  #tell(
    step: number,
    completions: readonly Completion[],
    worthOf: (row: number) => Pick<RolloutRecord, "reward" | "advantage">,
  ): void {
    const names = rewardNames(this.#config.rewards);
    this.#events.rollout?.(
      completions.map((completion, row) =>
        recordOf(completion, {
          ...{ rollout: this.#rollouts, step: step + 1, ...worthOf(row) },
          rewards: Object.fromEntries(names.map((name, k) => [name, completion.rewards[k] ?? null])),
        }),
      ),
    );
  }

  /** Ziegler et al., arXiv:1909.08593, section 2.2. */
  #adaptKl(kl: number, completions: number): void {
    const { kl_target: target, kl_horizon: horizon } = this.#config;
    if (target !== null) this.#klCoef = adaptKlCoef(this.#klCoef, kl, completions, { target, horizon });
  }

  logValues(records: readonly StepRecord[]): Record<string, number> {
    return ppoLogValues(records);
  }

  state(): string {
    const state: State = {
      ...{ used: this.#used, rollouts: this.#rollouts, klCoef: this.#klCoef, rollout: this.#rollout },
      source: this.#source.state(),
    };
    return numbersToText(state);
  }

  restore(text: unknown): void {
    const state = numbersFromText(String(text)) as State;
    this.#used = state.used;
    this.#rollouts = state.rollouts;
    this.#klCoef = state.klCoef;
    this.#rollout = state.rollout;
    this.#source.restore(state.source);
  }

  close(): void {
    this.#source.close();
  }
}

/** What is logged of the completions themselves. */
function completionValues(
  completions: readonly Completion[],
  { rewards }: PpoConfig,
): Record<string, number> {
  const lengths = completions.map(({ ids, truncated }) => ({ length: ids.length, truncated }));
  return {
    ...rewardMetrics(
      completions.map((completion) => completion.rewards),
      rewardNames(rewards),
    ),
    ...completionMetrics(lengths),
    "val/num_eos_tokens": lengths.filter(({ truncated }) => !truncated).length,
  };
}

function learnedRow(row: LearnedRow, key: number, weight: number): BatchRow {
  const plain = completionRow(row.completion, key);
  const { oldLogp, oldValues, advantages, returns } = row;
  const columns = { oldLogp, oldValues, advantages, returns };
  return { ...plain, weights: plain.targets.length === 0 ? [] : advantages.map(() => weight), columns };
}

/** trl's log line. Means over the tokens of each optimizer step; the rollout's numbers where one began. */
export function ppoLogValues(records: readonly StepRecord[]): Record<string, number> {
  const last = records.at(-1);
  if (!last) return {};
  const sums = records.map(({ report }) => {
    const sum = (name: string) => report.micros.reduce((all, micro) => all + (micro[name] ?? 0), 0);
    const live = Math.max(1, sum("live"));
    const ratio = sum("ratio") / live;
    return {
      loss: sum("loss"),
      "loss/policy_avg": sum("policyLoss"),
      "loss/value_avg": sum("valueLoss"),
      "policy/approxkl_avg": sum("approxKl") / live,
      "policy/clipfrac_avg": sum("clipFrac") / live,
      "policy/entropy_avg": sum("entropy") / live,
      "val/clipfrac_avg": sum("valueClipFrac") / live,
      "val/ratio": ratio,
      "val/ratio_var": Math.max(0, sum("ratioSquared") / live - ratio * ratio),
    };
  });
  return {
    ...meanByName(sums),
    grad_norm: last.report.gradNorm,
    learning_rate: last.learningRate,
    epoch: last.epoch,
    num_tokens: last.numTokens,
    ...meanByName(records.flatMap(({ values }) => (values ? [values] : []))),
  };
}

export interface PpoLossSettings {
  readonly temperature: number;
  readonly cliprange: number;
  readonly cliprange_value: number;
  readonly vf_coef: number;
}

/** The programs: log-probabilities under policy and reference, values, and both losses with their whole way back. */
export function ppoObjective(settings: PpoLossSettings): Objective {
  const { temperature, cliprange, cliprange_value: clipRange, vf_coef: coef } = settings;
  return {
    columns: ["oldLogp", "oldValues", "advantages", "returns"],
    metrics: PPO_METRICS,
    record(bench) {
      const policy = bench.pass("train", "policy", { trains: true });
      const { recorder, capacity, profile, tables } = policy;
      const { targets, weights } = tables;
      const { metrics } = bench;

      const decoder = decoderForward(policy, bench.rematerialize);
      const head = headForward(policy, decoder.finalNorm.y, temperature);
      const { out, argmax } = head;
      const upstream = recorder.alloc("upstream", [capacity.M, 3]);
      const [advantages, oldLogp] = [bench.column("advantages"), bench.column("oldLogp")];
      ppoPolicyLoss(
        recorder,
        { out, argmax, targets, weights, advantages, oldLogp, upstream, metrics },
        { cliprange },
        profile.rowThreads,
      );
      decoderBackward(
        policy,
        decoder,
        headBackward(policy, decoder.finalNorm.y, head, upstream, temperature),
      );

      // The value model only begins when nothing of the policy's pass is needed any more: one arena holds either.
      const value = bench.pass(recorder, "value", { trains: true });
      const valueDecoder = decoderForward(value, bench.rematerialize);
      const values = valueForward(bench, value, valueDecoder.finalNorm.y);
      const dValues = recorder.alloc("d_values", [capacity.M, 1]);
      const [oldValues, returns] = [bench.column("oldValues"), bench.column("returns")];
      valueLoss(
        recorder,
        { values, weights, oldValues, returns, dValues, metrics },
        { clipRange, coef },
        profile.rowThreads,
      );
      decoderBackward(value, valueDecoder, valueBackward(bench, value, valueDecoder.finalNorm.y, dValues));
      return [
        recorder,
        recordScores(bench, "policy", temperature),
        recordScores(bench, "reference", temperature),
        recordValues(bench),
      ];
    },
  };
}

type Context = ReturnType<Workbench["pass"]>;
type Hidden = ReturnType<typeof decoderForward>["finalNorm"]["y"];

/** The scalar head as a linear layer of one row. */
function headWeight(bench: Workbench): Weight {
  const tensor = bench.valueHead;
  return { tensor, format: "f32", rows: 1, cols: tensor.shape[1] ?? 0, first: 0 };
}

/** values (M, 1) = hidden (M, C) head' */
function valueForward(bench: Workbench, { recorder, profile, capacity }: Context, hidden: Hidden): Hidden {
  const values = recorder.alloc("values", [capacity.M, 1]);
  linearNt(recorder, profile, { x: hidden, y: values, weight: headWeight(bench) }, { rows: "M" });
  return values;
}

/** d_hidden (M, C) = d_values head; d_head += d_values' hidden */
function valueBackward(
  bench: Workbench,
  { recorder, profile, capacity, spec }: Context,
  hidden: Hidden,
  dValues: Hidden,
): Hidden {
  const dHidden = recorder.alloc("value.d_hidden", [capacity.M, spec.hidden]);
  linearBackwardW(
    recorder,
    profile,
    { x: hidden, dy: dValues, dw: bench.gradOf(bench.valueHead) },
    { rows: "M" },
  );
  linearNn(recorder, profile, { x: dValues, y: dHidden, weight: headWeight(bench) }, { rows: "M" });
  return dHidden;
}

/** The value model's estimates at the positions that predict each target, into `scores`. */
function recordValues(bench: Workbench) {
  const context = bench.pass("values", "value");
  const { finalNorm } = decoderForward(context, false);
  takeColumn(context.recorder, { x: valueForward(bench, context, finalNorm.y), y: bench.scores }, 0);
  return context.recorder;
}
