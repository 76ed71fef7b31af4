import { AppError } from "../lib/errors.ts";
import {
  asMessages,
  type DroppedRow,
  type EncodeTools,
  encodePlain,
  isPrefix,
  orRefusal,
  renderChat,
  type TemplateVariables,
  withEos,
} from "./encode_turns.ts";
import type { Example, Turns } from "./example.ts";

/** One answer of a pair, behind the prompt. */
export interface PreferenceSide {
  /** Prompt and completion. */
  readonly ids: Int32Array;
  /** Every token from here on is of the completion; at least 1, since the first token is predicted from nothing. */
  readonly firstTarget: number;
}

export interface PreferencePair {
  readonly promptIds: Int32Array;
  readonly chosen: PreferenceSide;
  readonly rejected: PreferenceSide;
  /** The row of the file it came from. */
  readonly rowIndex: number;
}

export interface PreferenceOptions {
  readonly maxSeqLength: number;
  /** Further variables of the chat template. */
  readonly templateVariables?: TemplateVariables;
}

export interface PreferenceExamples {
  readonly rows: readonly PreferencePair[];
  /** Pairs of which an answer lost tokens to max_seq_length. */
  readonly cut: number;
  readonly dropped: readonly DroppedRow[];
  /** Pairs whose tokenized prompt is no beginning of both wholes: their mask is off by a token, as in trl. */
  readonly seamMismatches: number;
  /** Pairs of the same answer twice, of which nothing can be learned. */
  readonly equal: number;
}

/**
 * Preference rows to pairs of token rows, as trl 1.13 `DPOTrainer._prepare_dataset`: prompt and answer are tokenized
 * together, plain answers end with EOS, what is longer than max_seq_length loses its end, and a row is left out when its
 * prompt alone fills max_seq_length. Throws `dataset-invalid` when no pair is left, `template-invalid` for
 * conversations without a template.
 */
export function buildPreferenceExamples(
  examples: readonly Example[],
  tools: EncodeTools,
  options: PreferenceOptions,
): PreferenceExamples {
  const rows: PreferencePair[] = [];
  const dropped: DroppedRow[] = [];
  const counts = { cut: 0, seamMismatches: 0, equal: 0 };
  for (const example of examples) {
    const result = orRefusal(() => encodePair(example, tools, options));
    if ("reason" in result) {
      dropped.push({ rowIndex: example.rowIndex, reason: result.reason });
      continue;
    }
    rows.push(result.pair);
    counts.cut += result.cut ? 1 : 0;
    counts.seamMismatches += result.seamMismatch ? 1 : 0;
    counts.equal += result.equal ? 1 : 0;
  }
  if (rows.length === 0) {
    throw new AppError(
      "dataset-invalid",
      `No row has two answers to compare. ${dropped.length} rows were left out; the first because ${dropped[0]?.reason ?? "there are none"}.`,
      { details: { dropped: dropped.slice(0, 20) } },
    );
  }
  return { rows, dropped, ...counts };
}

interface Encoded {
  readonly pair: PreferencePair;
  readonly cut: boolean;
  readonly seamMismatch: boolean;
  readonly equal: boolean;
}

/** One pair, or the reason why it is left out. */
export function encodePair(
  example: Example,
  tools: EncodeTools,
  options: PreferenceOptions,
): Encoded | { readonly reason: string } {
  if (example.kind !== "preference") {
    throw new AppError(
      "dataset-invalid",
      `DPO learns from pairs of answers; these rows are of the kind ${example.kind}. Name the columns of both answers with column_mapping, or make them with processing_fn.`,
    );
  }
  const { prompt, chosen, rejected } = splitPair(example.prompt, example.chosen, example.rejected);
  if (typeof prompt !== "string" && prompt.length === 0) {
    return { reason: "its two conversations begin differently, so they answer no common prompt" };
  }
  const { promptIds, wholes } = tokenize(prompt, [chosen, rejected], tools, options);
  const limit = options.maxSeqLength;
  if (promptIds.length >= limit) {
    return { reason: `its prompt alone has ${promptIds.length} tokens (max_seq_length ${limit})` };
  }
  const firstTarget = Math.max(1, promptIds.length);
  if (wholes.some((ids) => ids.length <= firstTarget)) return { reason: "one of its answers has no token" };
  const [better, worse] = wholes.map((ids) => ({ ids: Int32Array.from(ids.slice(0, limit)), firstTarget }));
  if (!better || !worse) return { reason: "it has no two answers" };
  return {
    pair: {
      promptIds: Int32Array.from(promptIds),
      chosen: better,
      rejected: worse,
      rowIndex: example.rowIndex,
    },
    cut: wholes.some((ids) => ids.length > limit),
    seamMismatch: wholes.some((ids) => !isPrefix(promptIds, ids)),
    equal: better.ids.length === worse.ids.length && better.ids.every((id, i) => worse.ids[i] === id),
  };
}

function tokenize(
  prompt: Turns,
  answers: readonly Turns[],
  tools: EncodeTools,
  { templateVariables }: PreferenceOptions,
): { promptIds: number[]; wholes: number[][] } {
  const { tokenizer } = tools;
  if (typeof prompt === "string" && answers.every((answer) => typeof answer === "string")) {
    return {
      promptIds: encodePlain(prompt, tokenizer),
      wholes: answers.map((answer) => encodePlain(prompt + withEos(answer, tokenizer), tokenizer)),
    };
  }
  const first = asMessages(prompt, "user");
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  return {
    promptIds: encode(renderChat(first, tools, true, templateVariables)),
    wholes: answers.map((answer) =>
      encode(renderChat([...first, ...asMessages(answer, "assistant")], tools, false, templateVariables)),
    ),
  };
}

interface SplitPair {
  readonly prompt: Turns;
  readonly chosen: Turns;
  readonly rejected: Turns;
}

/** The prompt, given or as the longest common beginning of both answers (trl `extract_prompt`). */
export function splitPair(prompt: Turns | undefined, chosen: Turns, rejected: Turns): SplitPair {
  if (prompt !== undefined) return { prompt, chosen, rejected };
  if (typeof chosen === "string" && typeof rejected === "string") {
    // Characters, not UTF-16 units, so that no emoji is cut in half.
    const [better, worse] = [Array.from(chosen), Array.from(rejected)];
    const shared = commonLength(better, worse);
    const cut = shared > 0 && better[shared - 1] === " " ? shared - 1 : shared;
    const at = better.slice(0, cut).join("").length;
    return { prompt: chosen.slice(0, at), chosen: chosen.slice(at), rejected: rejected.slice(at) };
  }
  const better = asMessages(chosen, "assistant");
  const worse = asMessages(rejected, "assistant");
  const key = (list: readonly unknown[]) => list.map((message) => JSON.stringify(message));
  const cut = commonLength(key(better), key(worse));
  return { prompt: better.slice(0, cut), chosen: better.slice(cut), rejected: worse.slice(cut) };
}

/** How far two lists agree; where one is the beginning of the other, all but its last part, so that both keep an answer. */
function commonLength(a: readonly string[], b: readonly string[]): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) if (a[i] !== b[i]) return i;
  return Math.max(0, end - 1);
}
