import type { GroupConfig, PpoConfig } from "../config/fields.ts";
import { rewardNames } from "../config/rewards.ts";
import type { DataCursor } from "../data/batches.ts";
import type { Turns } from "../data/example.ts";
import { nextPrompts } from "../data/prompt_batches.ts";
import type { PromptRow } from "../data/prompt_examples.ts";
import { type RecordedCompletion, readRollouts } from "../data/rollout_file.ts";
import type { Gpu } from "../gpu/device.ts";
import type { TrainerState } from "../host/user_code.ts";
import { AppError } from "../lib/errors.ts";
import { hash } from "../lib/random.ts";
import { completionMetrics, isTruncated } from "../losses/completion_metrics.ts";
import type { Capacity } from "../model/batch_tables.ts";
import { missingNeeds } from "../rewards/missing_needs.ts";
import {
  createScorer,
  MOST_FAILURES,
  recordScores,
  type ScoreResult,
  type Scorer,
  type ScorerTools,
} from "../rewards/scorer.ts";
import { Generator } from "../rollout/generator.ts";
import { GREEDY, type Sampling } from "../rollout/sampling.ts";
import type { Engine } from "../trainer/engine.ts";
import { mean } from "../trainer/metrics.ts";
import type { TextTools } from "../trainer/prepare_data.ts";
import { RewardModel } from "../trainer/reward_model.ts";
import { checkPrompts, openRewardModel } from "../trainer/reward_model_files.ts";
import { promptEncoding, type TrainData, trainData } from "../trainer/row_encodings.ts";
import { type Generation, most, type Prepared, type PrepareInput, type StartParts } from "./algorithm.ts";
import type { Completion, Drawn, RolloutSource } from "./rollout.ts";

type RewardConfig = GroupConfig | PpoConfig;
type PromptData = TrainData<PromptRow>;

export interface RolloutShape {
  /** Completions of one rollout. */
  readonly completions: number;
  readonly samplesPerPrompt: number;
}

export interface PreparedRollouts {
  readonly prepared: Pick<
    Prepared,
    "dataset" | "notes" | "trainRows" | "heldOutRows" | "generation" | "rewardModel"
  >;
  readonly lengths: RolloutLengths;
  open(parts: StartParts): Promise<RolloutSource>;
}

/** GPU memory that keys and values may take; where a rollout needs more, it is generated in parts. */
const CACHE_BYTES = 2 ** 30;

/** Prompts to answer, or rollouts that were recorded. Throws what either can be refused for. */
export async function prepareRollouts(
  input: PrepareInput<RewardConfig>,
  shape: RolloutShape,
): Promise<PreparedRollouts> {
  return input.config.rollouts_path === null ? fromPrompts(input, shape) : fromFile(input, shape);
}

/** The longest row, and the longest completion. */
export interface RolloutLengths {
  readonly maxLength: number;
  readonly maxCompletion: number;
}

/** What any `rows` completions of these lengths can need at most. */
export function rolloutCapacity(R: number, { maxLength, maxCompletion }: RolloutLengths): Capacity {
  return { N: R * maxLength, M: R * maxCompletion, R };
}

/** The model of reward_model_name, checked against the prompts. */
async function rewardModelFor(
  host: PrepareInput["host"],
  config: RewardConfig,
  data: PromptData,
  maxLength: number,
): Promise<Prepared["rewardModel"]> {
  if (config.algorithm !== "ppo" || config.reward_model_name === null) return undefined;
  const files = await openRewardModel(host, config.reward_model_name);
  checkPrompts(
    files,
    [...data.train.known, ...data.validation].map(({ prompt }) => prompt),
  );
  // One row may fill a pass alone: its own tokenizer may need more tokens than the policy's for the same text.
  const R = Math.max(config.batch_size, 4);
  return { files, capacity: { N: R * maxLength, R } };
}

async function fromPrompts(
  input: PrepareInput<RewardConfig>,
  shape: RolloutShape,
): Promise<PreparedRollouts> {
  const { host, config, spec, tools } = input;
  const prompts = shape.completions / shape.samplesPerPrompt;
  const data = await trainData(input, promptEncoding(tools, config, prompts));
  const { dataset, train, validation } = data;
  if (train.count === 0) throw new AppError("dataset-invalid", "There is no prompt to answer.");
  const hasReference = train.known.some(({ reference }) => reference !== null);
  const missing = missingNeeds(config.rewards, { hasReference });
  if (missing !== undefined) {
    throw new AppError("dataset-invalid", missing, { details: { key: "rewards" } });
  }
  const longest = most([...train.bounds, ...validation], ({ ids }) => ids.length);
  const maxLength = longest + config.max_completion_length;
  const sequenceBytes = 8 * maxLength * spec.kvHeads * spec.headDim * spec.layers.length;
  const maxSequences = Math.max(1, Math.min(shape.completions, Math.floor(CACHE_BYTES / sequenceBytes)));
  const generation: Generation = {
    maxSequences,
    maxPromptTokens: longest * Math.min(maxSequences, 8),
    maxLength,
  };
  const rewardModel = await rewardModelFor(host, config, data, maxLength);
  return {
    prepared: {
      ...{ dataset, notes: data.notes, trainRows: train.count, heldOutRows: validation.length },
      ...{ generation, rewardModel },
    },
    lengths: { maxLength, maxCompletion: config.max_completion_length },
    open: async (parts) => {
      const { host: runHost } = parts;
      // What may not fit comes first: a scorer may hold processes of its own.
      const generator = await openGenerator(parts.gpu, parts.engine, generation);
      const scorer = await createScorer(config.rewards, {
        userCode: runHost.userCode,
        readFile: (path) => runHost.readText(path),
        maxCompletionLength: config.max_completion_length,
        now: () => runHost.now(),
        rewardModel: rewardModel && (await openScoring(rewardModel, parts)),
      });
      for (const note of scorer.notes) parts.events.note(note);
      return new GeneratedRollouts({ config, data, tools, generator, scorer, note: parts.events.note });
    },
  };
}

/** The reward model on the device, as the scorer calls it. Says once when answers are too long for it. */
async function openScoring(
  planned: NonNullable<Prepared["rewardModel"]>,
  { gpu, engine, baseFormat, events }: StartParts,
): Promise<NonNullable<ScorerTools["rewardModel"]>> {
  const model = await RewardModel.create(gpu, {
    ...{ ...planned, baseFormat, profile: engine.profile, arena: engine.arena },
  });
  let told = false;
  return async (items) => {
    const texts = items.map(({ prompt, completion }) => ({ prompt: prompt as Turns, completion }));
    const { values, cut } = await model.score(texts);
    if (cut > 0 && !told) {
      told = true;
      events.note(
        `${cut} of ${items.length} answers with their prompts are longer than the ${model.maxLength} tokens that the reward model ${model.name} reads here: it sees their last ones.`,
      );
    }
    return values;
  };
}

function openGenerator(gpu: Gpu, engine: Engine, sizes: Generation): Promise<Generator> {
  const { spec, weights, adapter, profile, arena } = engine;
  return Generator.create(gpu, { spec, weights, adapter, profile, arena, ...sizes });
}

interface GeneratedParts {
  readonly config: RewardConfig;
  readonly data: PromptData;
  readonly tools: TextTools;
  readonly generator: Generator;
  readonly scorer: Scorer;
  readonly note: (text: string) => void;
}

/** Generates with the model in training, and scores. */
class GeneratedRollouts implements RolloutSource {
  readonly evaluate: RolloutSource["evaluate"];
  readonly #parts: GeneratedParts;
  #cursor: DataCursor = { epoch: 0, position: 0 };
  /** Groups since the start of the run: what tells the noise of one apart from all others. */
  #groups = 0;
  #epochEnded = false;

  constructor(parts: GeneratedParts) {
    this.#parts = parts;
    this.evaluate = parts.data.validation.length > 0 ? () => this.#heldOut() : undefined;
  }

  get place() {
    const { epoch, position } = this.#cursor;
    return { epoch: epoch + position / this.#parts.data.train.count, endsEpoch: this.#epochEnded };
  }

  rolloutsPerEpoch(size: number, samplesPerPrompt: number): number {
    return (this.#parts.data.train.count * samplesPerPrompt) / size;
  }

  async next(groups: number, samplesPerPrompt: number, state: TrainerState): Promise<Drawn> {
    const { config, data, note } = this.#parts;
    const { rows: prompts, next, notes } = await nextPrompts(data.train, groups, this.#cursor);
    for (const text of notes) note(text);
    this.#epochEnded = next.epoch > this.#cursor.epoch;
    this.#cursor = next;
    const first = this.#groups;
    this.#groups += groups;
    const keys = prompts.flatMap((_, i) =>
      Array.from({ length: samplesPerPrompt }, (__, sample) => hash(first + i, sample)),
    );
    const { temperature, top_p, top_k, min_p, repetition_penalty, seed } = config;
    const sampling = { temperature, top_p, top_k, min_p, repetition_penalty, seed };
    const completions = await this.#answer(prompts, samplesPerPrompt, sampling, keys, first, state);
    data.train.ahead(next, groups);
    return { completions: completions.list, pause: completions.pause };
  }

  async #answer(
    prompts: readonly PromptRow[],
    samplesPerPrompt: number,
    sampling: Sampling,
    keys: ArrayLike<number>,
    firstGroup: number,
    state?: TrainerState,
  ): Promise<{ list: Completion[]; total: readonly (number | null)[]; pause: string | undefined }> {
    const { tokenizer } = this.#parts.tools;
    const { stopIds, padId } = tokenizer;
    const generated = await this.#parts.generator.generate({
      prompts: prompts.map(({ ids }) => ids),
      maxNewTokens: this.#parts.config.max_completion_length,
      ...{ samplesPerPrompt, sampling, keys, stopIds },
    });
    const unscored = generated.map(({ ids, sampledLogps }, i) => {
      const at = Math.floor(i / samplesPerPrompt);
      const prompt = prompts[at] as PromptRow;
      return {
        row: prompt.row,
        completion: {
          ...{ group: firstGroup + at, prompt: prompt.prompt, promptIds: [...prompt.ids], ids },
          text: tokenizer.decode(ids, { skipSpecialTokens: true }),
          truncated: isTruncated(ids, { stopIds, padId }),
          reference: prompt.reference,
          row: prompt.rowIndex,
          decoderLogps: sampledLogps,
        },
      };
    });
    const scored = await this.#parts.scorer.score(
      unscored.map(({ row, completion: { prompt, text, ids, reference, truncated } }) => ({
        ...{ prompt, completion: text, completionIds: ids, reference, truncated, row },
      })),
      state,
    );
    const list = unscored.map(({ completion }, i) => ({
      ...completion,
      rewards: scored.rewards.map(({ values }) => values[i] ?? null),
      errors: recordScores(scored, i).errors,
    }));
    return { list, total: scored.total, pause: pauseReason(scored) };
  }

  /** Greedy answers to what is held out: the mean of each reward, and of their weighted sum. */
  async #heldOut(): Promise<Record<string, number>> {
    const { validation } = this.#parts.data;
    const { list, total } = await this.#answer(
      validation,
      1,
      GREEDY,
      validation.map((_, i) => i),
      0,
    );
    const each = this.#parts.scorer.names.map((name, k) => {
      const values = list.flatMap(({ rewards }) => rewards[k] ?? []);
      return [`eval_rewards/${name}/mean`, mean(values)] as const;
    });
    const lengths = completionMetrics(list.map(({ ids, truncated }) => ({ length: ids.length, truncated })));
    return {
      eval_reward: mean(total.flatMap((value) => value ?? [])),
      ...Object.fromEntries(each),
      "eval_completions/mean_length": lengths["completions/mean_length"] ?? 0,
      "eval_completions/clipped_ratio": lengths["completions/clipped_ratio"] ?? 0,
    };
  }

  state(): unknown {
    return { cursor: this.#cursor, groups: this.#groups, epochEnded: this.#epochEnded };
  }

  restore(state: unknown): void {
    const { cursor, groups, epochEnded } = state as {
      cursor: DataCursor;
      groups: number;
      epochEnded: boolean;
    };
    this.#cursor = cursor;
    this.#groups = groups;
    this.#epochEnded = epochEnded;
  }

  close(): void {
    this.#parts.scorer.close();
    this.#parts.data.train.close();
  }
}

/** Why the run should pause: a reward failed on too many answers to be trusted. */
function pauseReason({ rewards, failureShare }: ScoreResult): string | undefined {
  if (failureShare <= MOST_FAILURES) return undefined;
  const [worst] = rewards.toSorted((a, b) => b.failures - a.failures);
  const error = worst?.errors.find((found) => found !== undefined);
  const line = error?.line === undefined ? "" : ` (line ${error.line})`;
  return `The reward ${worst?.name} failed on ${worst?.failures} of ${worst?.values.length} answers: ${error?.message}${line}. Those answers were not scored. Correct the reward and start again, or continue as it is.`;
}

async function fromFile(
  { host, config, spec, tools }: PrepareInput<RewardConfig>,
  shape: RolloutShape,
): Promise<PreparedRollouts> {
  const path = config.rollouts_path ?? "";
  const names = rewardNames(config.rewards);
  const { rollouts, unused } = await readRollouts(await host.openDataset(path), {
    ...{ rewardNames: names, vocabSize: spec.vocab },
    ...{ rolloutSize: shape.completions, groupSize: shape.samplesPerPrompt },
  });
  const lines = rollouts.flat();
  const maxLength = Math.max(...lines.map((line) => line.promptIds.length + line.completionIds.length));
  const maxCompletion = Math.max(...lines.map((line) => line.completionIds.length));
  const notes = [
    `Trains on ${lines.length} recorded completions: nothing is generated, no reward is called.`,
  ];
  if (unused > 0) notes.push(`The last ${unused} lines of ${path} make no whole rollout and are not used.`);
  return {
    prepared: {
      ...{ dataset: undefined, notes, trainRows: lines.length, heldOutRows: 0, generation: undefined },
    },
    lengths: { maxLength, maxCompletion },
    open: async () => new RecordedRollouts(lines, tools),
  };
}

/** Completions of a file, in order, from the beginning again at its end. */
class RecordedRollouts implements RolloutSource {
  readonly evaluate = undefined;
  readonly #lines: readonly RecordedCompletion[];
  readonly #tools: TextTools;
  #taken = 0;

  constructor(lines: readonly RecordedCompletion[], tools: TextTools) {
    this.#lines = lines;
    this.#tools = tools;
  }

  get place() {
    const { length } = this.#lines;
    return { epoch: this.#taken / length, endsEpoch: this.#taken % length === 0 };
  }

  rolloutsPerEpoch(size: number): number {
    return this.#lines.length / size;
  }

  async next(groups: number, samplesPerPrompt: number): Promise<Drawn> {
    const { stopIds, padId } = this.#tools.tokenizer;
    const completions = Array.from({ length: groups * samplesPerPrompt }, (_, i) => {
      const line = this.#lines[(this.#taken + i) % this.#lines.length] as RecordedCompletion;
      const ids = [...line.completionIds];
      return {
        group: Math.floor((this.#taken + i) / samplesPerPrompt),
        ...{ prompt: line.prompt, promptIds: [...line.promptIds], ids, text: line.completion },
        ...{ truncated: isTruncated(ids, { stopIds, padId }), reference: line.reference, row: null },
        ...{ decoderLogps: [], rewards: line.rewards },
      };
    });
    this.#taken += completions.length;
    return { completions, pause: undefined };
  }

  state(): unknown {
    return { taken: this.#taken };
  }

  restore(state: unknown): void {
    this.#taken = (state as { taken: number }).taken;
  }

  close(): void {}
}
