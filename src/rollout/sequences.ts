import { AppError, invariant } from "../lib/errors.ts";

/** Why a sequence ended: a stop id, the limit of new tokens, or the caller. */
export type StopReason = "end" | "length" | "cancelled";

/** One answer. */
export interface Completion {
  /** The new tokens, the stop id that ended them included. */
  readonly ids: readonly number[];
  readonly stopped: StopReason;
  /** log softmax(logits) of each new token: under the model, at temperature 1. */
  readonly logps: readonly number[];
  /** log softmax(logits / temperature) of each, before penalty and filters; equal to `logps` in greedy decoding. */
  readonly sampledLogps: readonly number[];
}

/** A sequence that is being generated. */
export interface Sequence {
  /** Its place in the result. */
  readonly index: number;
  readonly prompt: ArrayLike<number>;
  /** Index of the prompt: sequences of one prompt share its keys and values. */
  readonly promptIndex: number;
  /** Identity for the noise. */
  readonly key: number;
  readonly ids: number[];
  readonly logps: number[];
  readonly sampledLogps: number[];
  stopped: StopReason | undefined;
}

/** What the prompts are checked against. */
export interface PromptLimits {
  readonly vocab: number;
  /** Tokens of prompt and answer together. */
  readonly maxLength: number;
  /** Tokens of a prompt, less the last, that one prefill can take. */
  readonly prefillTokens: number;
  /** The model's longFrom: no sequence may begin below it and end above it, as its keys would be rotated in two ways. */
  readonly long: number;
}

/**
 * The sequences of a request in the order of its result: `samples` for each prompt. Throws `config-invalid` for prompts
 * that are empty, too long or hold ids outside the vocabulary.
 */
export function makeSequences(
  prompts: readonly ArrayLike<number>[],
  samples: number,
  maxNewTokens: number,
  limits: PromptLimits,
  keys: ArrayLike<number> | undefined,
): Sequence[] {
  invariant(Number.isInteger(samples) && samples >= 1, `${samples} samples a prompt`);
  invariant(
    !keys || keys.length === prompts.length * samples,
    `${keys?.length} keys for ${prompts.length} prompts with ${samples} samples each`,
  );
  return prompts.flatMap((prompt, promptIndex) => {
    checkPrompt(prompt, promptIndex, maxNewTokens, limits);
    return Array.from({ length: samples }, (_, sample) => {
      const index = promptIndex * samples + sample;
      const key = keys?.[index] ?? index;
      const empty = { ids: [], logps: [], sampledLogps: [], stopped: undefined };
      return { index, prompt, promptIndex, key, ...empty };
    });
  });
}

function checkPrompt(
  prompt: ArrayLike<number>,
  index: number,
  maxNewTokens: number,
  { vocab, maxLength, prefillTokens, long }: PromptLimits,
): void {
  const refuse = (text: string) =>
    new AppError("config-invalid", `Prompt ${index + 1} ${text}`, { details: { prompt: index } });
  if (prompt.length === 0) throw refuse("is empty: generation needs at least one token to start from.");
  if (prompt.length + maxNewTokens > maxLength) {
    throw refuse(
      `has ${prompt.length} tokens; with ${maxNewTokens} new ones that is more than the ${maxLength} planned for. ` +
        "Shorten the prompt or ask for fewer new tokens.",
    );
  }
  if (prompt.length - 1 > prefillTokens) {
    throw refuse(`has ${prompt.length} tokens; prompts may have ${prefillTokens + 1}. Shorten the prompt.`);
  }
  if (prompt.length <= long && prompt.length + maxNewTokens - 1 > long) {
    throw refuse(
      `has ${prompt.length} tokens; with ${maxNewTokens} new ones it would pass ${long}, where this model's rotary scaling ` +
        `(longrope) changes for all tokens. Keep prompt and answer together within ${long} tokens.`,
    );
  }
  for (let i = 0; i < prompt.length; i++) {
    const id = prompt[i] ?? -1;
    if (!(Number.isInteger(id) && id >= 0 && id < vocab)) {
      throw refuse(`holds the id ${id}; the model's vocabulary has ids 0 to ${vocab - 1}.`);
    }
  }
}

/** Adds a token unless the sequence has ended already; what a stopped sequence still produced is dropped. */
export function addToken(
  sequence: Sequence,
  token: { readonly id: number; readonly logp: number; readonly sampledLogp: number },
  maxNewTokens: number,
  stopIds: ReadonlySet<number>,
): boolean {
  if (sequence.stopped) return false;
  sequence.ids.push(token.id);
  sequence.logps.push(token.logp);
  sequence.sampledLogps.push(token.sampledLogp);
  if (stopIds.has(token.id)) sequence.stopped = "end";
  else if (sequence.ids.length >= maxNewTokens) sequence.stopped = "length";
  return true;
}

export function completionOf({ ids, logps, sampledLogps, stopped }: Sequence): Completion {
  invariant(stopped, "a sequence was left unfinished");
  return { ids, logps, sampledLogps, stopped };
}

/** Splits `lengths` in order into runs of at most `capacity` tokens; each entry fits alone. */
export function packInOrder(lengths: readonly number[], capacity: number): number[][] {
  const runs: number[][] = [];
  let used = Infinity;
  lengths.forEach((length, i) => {
    if (used + length > capacity) {
      runs.push([]);
      used = 0;
    }
    runs.at(-1)?.push(i);
    used += length;
  });
  return runs;
}
