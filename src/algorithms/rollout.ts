import type { RewardSpec } from "../config/rewards.ts";
import type { TrainerState } from "../host/user_code.ts";
import type { BatchRow } from "../model/batch_tables.ts";
import { adjust } from "../rewards/combine.ts";
import type { RolloutRecord } from "../rollout/record.ts";

/** A completion with what it was worth to each reward. */
export interface Completion {
  /** Completions of one prompt share it; counts prompts of the run. */
  readonly group: number;
  /** The prompt as text or messages. */
  readonly prompt: unknown;
  readonly promptIds: readonly number[];
  readonly ids: readonly number[];
  readonly text: string;
  /** The length limit cut it off. */
  readonly truncated: boolean;
  readonly reference: string | null;
  /** The row of the dataset that asked, counted from 0; null for recorded ones. */
  readonly row: number | null;
  /** Log-probabilities of its tokens as the decoder had them; empty for recorded ones. */
  readonly decoderLogps: readonly number[];
  /** Each reward's value, in the order of the configuration; null did not apply. */
  readonly rewards: readonly (number | null)[];
  /** What failed of its rewards, by name. */
  readonly errors?: Readonly<Record<string, string>> | undefined;
  /** It was left out of the loss. */
  readonly masked?: boolean;
}

/** Some groups of completions, with why the run should pause for a look at its rewards, if it should. */
export interface Drawn {
  readonly completions: readonly Completion[];
  readonly pause: string | undefined;
}

/** Where completions come from: generated and scored, or read from a file. */
export interface RolloutSource {
  /** Rollouts of `size` completions, `samplesPerPrompt` a prompt, until every prompt was used once; with a fraction. */
  rolloutsPerEpoch(size: number, samplesPerPrompt: number): number;
  /** Completions of the next prompts, those of one prompt side by side. */
  next(groups: number, samplesPerPrompt: number, state: TrainerState): Promise<Drawn>;
  readonly place: { readonly epoch: number; readonly endsEpoch: boolean };
  /** Rewards of greedy answers to held-out prompts; undefined when nothing is held out. */
  readonly evaluate: (() => Promise<Record<string, number>>) | undefined;
  state(): unknown;
  restore(state: unknown): void;
  close(): void;
}

/** What each reward is worth to each completion, row by row, after normalize and clip over the whole rollout. */
export function adjustedRewards(
  completions: readonly Completion[],
  specs: readonly RewardSpec[],
): (number | null)[][] {
  const lists = specs.map((spec, k) =>
    adjust(
      completions.map(({ rewards }) => rewards[k] ?? null),
      spec,
    ),
  );
  return completions.map((_, i) => lists.map((list) => list[i] ?? null));
}

/** Prompt and completion as a row whose targets are the completion's tokens. None of one that is left out of the loss. */
export function completionRow({ promptIds, ids, masked }: Completion, key: number): BatchRow {
  const targets = masked ? [] : Array.from(ids, (_, t) => promptIds.length + t);
  return { ids: [...promptIds, ...ids], key, targets, weights: targets.map(() => 1) };
}

/** How far the decoder's log-probabilities are from those of the training pass, token by token. */
export function logpGap(
  completions: readonly Completion[],
  logps: readonly ArrayLike<number>[],
): Record<string, number> {
  let sum = 0;
  let count = 0;
  let max = 0;
  completions.forEach(({ decoderLogps }, i) => {
    decoderLogps.forEach((decoder, t) => {
      const gap = Math.abs(decoder - (logps[i]?.[t] ?? Number.NaN));
      sum += gap;
      count += 1;
      if (!(gap <= max)) max = gap; // NaN stays
    });
  });
  if (count === 0) return {};
  return {
    "sampling/sampling_logp_difference/mean": sum / count,
    "sampling/sampling_logp_difference/max": max,
  };
}

/** The completion as it is kept. */
export function recordOf(
  completion: Completion,
  scored: Pick<RolloutRecord, "rollout" | "step" | "rewards" | "reward" | "advantage">,
): RolloutRecord {
  const { group, row, prompt, promptIds, text, ids, truncated, reference, errors } = completion;
  return {
    ...{ rollout: scored.rollout, step: scored.step, group, row, prompt, prompt_ids: promptIds },
    ...{ completion: text, completion_ids: ids, rewards: scored.rewards, reward: scored.reward },
    ...{ advantage: scored.advantage, length: ids.length, truncated, reference },
    ...(errors && { errors }),
  };
}
