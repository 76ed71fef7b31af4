import { AppError, invariant } from "../lib/errors.ts";
import {
  asMessages,
  type DroppedRow,
  type EncodeTools,
  encodePlain,
  isPrefix,
  needTemplate,
  orRefusal,
  withEos,
} from "./encode_turns.ts";
import type { Example, Turns } from "./example.ts";
import type { Message, Span } from "./message.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface SftExample {
  readonly ids: Uint32Array;
  /** 1 where the token is a target. The first token of a sequence has nothing to be predicted from, whatever it says. */
  readonly learned: Uint8Array;
  /** The row of the file it came from. */
  readonly rowIndex: number;
}

export interface SftOptions {
  readonly maxSeqLength: number;
  /** Undefined: on for rows with a prompt and a completion. */
  readonly completionOnlyLoss?: boolean;
  readonly assistantOnlyLoss: boolean;
  /** Packing cuts long rows itself and keeps rows without a target, as trl. */
  readonly packing: boolean;
  /** Further variables of the chat template. */
  readonly templateVariables?: Readonly<Record<string, unknown>>;
}

export type SftTools = EncodeTools;

export interface SftExamples {
  readonly examples: readonly SftExample[];
  /** Rows that lost tokens to max_seq_length. */
  readonly cut: number;
  readonly dropped: readonly DroppedRow[];
  /** Rows whose tokenized prompt is no beginning of the whole: their mask is off by a token, as in trl. */
  readonly seamMismatches: number;
  /** Rows in which no target is an end-of-answer token: answers learned from them may never stop. */
  readonly withoutEnd: number;
}

/**
 * Rows to tokens and targets, as trl 1.13 `SFTTrainer._prepare_dataset`. Rows without a target are left out and
 * counted, with the reason. Throws `dataset-invalid` when none is left, `template-invalid` or `model-unsupported`
 * when no row can be tokenized as asked.
 */
export function buildSftExamples(
  rows: readonly Example[],
  tools: SftTools,
  options: SftOptions,
): SftExamples {
  const examples: SftExample[] = [];
  const dropped: DroppedRow[] = [];
  const counts = { cut: 0, seamMismatches: 0, withoutEnd: 0 };
  for (const row of rows) {
    const result = orRefusal(() => encodeSftRow(row, tools, options));
    if ("reason" in result) {
      dropped.push({ rowIndex: row.rowIndex, reason: result.reason });
      continue;
    }
    counts.cut += result.cut ? 1 : 0;
    counts.seamMismatches += result.seamMismatch ? 1 : 0;
    counts.withoutEnd += learnsEnd(result.example, tools.tokenizer) ? 0 : 1;
    examples.push(result.example);
  }
  if (examples.length === 0) {
    throw new AppError(
      "dataset-invalid",
      `No row has a token to learn. ${dropped.length} rows were left out; the first because ${dropped[0]?.reason ?? "there are none"}.`,
      { details: { dropped: dropped.slice(0, 20) } },
    );
  }
  return { examples, dropped, ...counts };
}

/** One row, or the reason why it is left out. */
export function encodeSftRow(
  row: Example,
  tools: SftTools,
  options: SftOptions,
): { example: SftExample; cut: boolean; seamMismatch: boolean } | { reason: string } {
  const { ids, answers, promptLength, seamMismatch } = tokenize(row, tools, options);
  if (options.assistantOnlyLoss && !answers?.includes(1)) {
    return { reason: "the assistant says nothing in it" };
  }
  const completionOnly = options.completionOnlyLoss ?? row.kind === "prompt_completion";
  const learned = new Uint8Array(ids.length).fill(1);
  if (completionOnly) learned.fill(0, 0, promptLength);
  answers?.forEach((bit, i) => {
    if (bit === 0) learned[i] = 0;
  });
  const cut = ids.length > options.maxSeqLength;
  const length = options.packing ? ids.length : Math.min(ids.length, options.maxSeqLength);
  const example = {
    ids: Uint32Array.from(ids.slice(0, length)),
    learned: learned.slice(0, length),
    rowIndex: row.rowIndex,
  };
  if (!options.packing && !example.learned.includes(1)) {
    const why = cut ? `its first ${length} of ${ids.length} tokens are prompt` : "it has no token to learn";
    return { reason: `${why} (max_seq_length ${options.maxSeqLength})` };
  }
  return { example, cut: cut && !options.packing, seamMismatch };
}

interface Tokenized {
  readonly ids: readonly number[];
  /** 1 where the assistant wrote; undefined when not asked for. */
  readonly answers: Uint8Array | undefined;
  /** Tokens of the prompt alone; the completion begins after that many, even where a merge spans the seam. */
  readonly promptLength: number;
  readonly seamMismatch: boolean;
}

function tokenize(row: Example, tools: SftTools, options: SftOptions): Tokenized {
  switch (row.kind) {
    case "text": {
      needConversation(options);
      const ids = encodePlain(withEos(row.text, tools.tokenizer), tools.tokenizer);
      return { ids, answers: undefined, promptLength: 0, seamMismatch: false };
    }
    case "messages":
      return { ...encodeChat(row.messages, tools, options), promptLength: 0, seamMismatch: false };
    case "prompt_completion":
      return tokenizePair(row.prompt, row.completion, tools, options);
    case "preference":
    case "prompt":
      throw new AppError(
        "dataset-invalid",
        `SFT learns from text, messages, or prompt with completion; these rows are of the kind ${row.kind}. Map the answer's column with column_mapping, or choose another algorithm.`,
      );
  }
}

function tokenizePair(prompt: Turns, completion: Turns, tools: SftTools, options: SftOptions): Tokenized {
  const { tokenizer } = tools;
  if (typeof prompt === "string" && typeof completion === "string") {
    needConversation(options);
    const before = encodePlain(prompt, tokenizer);
    const ids = encodePlain(prompt + withEos(completion, tokenizer), tokenizer);
    return { ids, answers: undefined, promptLength: before.length, seamMismatch: !isPrefix(before, ids) };
  }
  const first = asMessages(prompt, "user");
  const last = asMessages(completion, "assistant");
  const template = needTemplate(tools);
  const opening = options.assistantOnlyLoss
    ? template.renderWithAnswers(first, renderOptions(true, options)).text
    : template.render(first, renderOptions(true, options));
  const before = tokenizer.encode(opening, { addSpecialTokens: false });
  const whole = encodeChat([...first, ...last], tools, options);
  return { ...whole, promptLength: before.length, seamMismatch: !isPrefix(before, whole.ids) };
}

/** A rendered conversation brings its own special tokens; the tokenizer adds none. */
function encodeChat(messages: readonly Message[], tools: SftTools, options: SftOptions) {
  const template = needTemplate(tools);
  const plain = { addSpecialTokens: false };
  if (!options.assistantOnlyLoss) {
    const text = template.render(messages, renderOptions(false, options));
    return { ids: tools.tokenizer.encode(text, plain), answers: undefined };
  }
  const { text, answers } = template.renderWithAnswers(messages, renderOptions(false, options));
  const { ids, spans } = tools.tokenizer.encodeWithSpans(text, plain);
  return { ids, answers: answerMask(spans, answers) };
}

/**
 * 1 from the first token that holds an answer's first character to the first that holds its last one: transformers'
 * `char_to_token` at both ends.
 */
export function answerMask(spans: readonly Span[], answers: readonly Span[]): Uint8Array {
  const mask = new Uint8Array(spans.length);
  const tokenAt = (char: number) => spans.findIndex(({ start, end }) => start <= char && char < end);
  for (const { start, end } of answers) {
    if (end === start) continue;
    const first = tokenAt(start);
    const last = tokenAt(end - 1);
    invariant(first >= 0 && last >= first, "the tokens of a conversation do not tile its text");
    mask.fill(1, first, last + 1);
  }
  return mask;
}

function renderOptions(addGenerationPrompt: boolean, { templateVariables }: SftOptions) {
  return {
    addGenerationPrompt,
    ...(templateVariables === undefined ? {} : { variables: templateVariables }),
  };
}

function learnsEnd({ ids, learned }: SftExample, { stopIds }: Tokenizer): boolean {
  return ids.some((id, i) => learned[i] === 1 && stopIds.includes(id));
}

function needConversation({ assistantOnlyLoss }: SftOptions): void {
  if (!assistantOnlyLoss) return;
  throw new AppError(
    "dataset-invalid",
    "assistant_only_loss needs conversations, and these rows are plain text. Turn it off, or give rows with messages.",
  );
}
