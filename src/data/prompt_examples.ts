import { AppError } from "../lib/errors.ts";
import {
  type DroppedRow,
  type EncodeTools,
  encodePlain,
  orRefusal,
  renderChat,
  type TemplateVariables,
} from "./encode_turns.ts";
import type { Example, Turns } from "./example.ts";
import type { Row } from "./message.ts";

/** One prompt of a reward method. */
export interface PromptRow {
  readonly ids: Int32Array;
  readonly prompt: Turns;
  /** The whole prompt as the model reads it, before any cut. */
  readonly text: string;
  /** The right answer; null when the row has none. */
  readonly reference: string | null;
  /** Every column as it was read, for rewards. */
  readonly row: Row;
  readonly rowIndex: number;
}

export interface PromptOptions {
  readonly maxPromptLength: number;
  /** Further variables of the chat template. */
  readonly templateVariables?: TemplateVariables;
}

export interface PromptExamples {
  readonly rows: readonly PromptRow[];
  /** Prompts that lost their beginning to max_prompt_length. */
  readonly cut: number;
  readonly dropped: readonly DroppedRow[];
  /** Rows that have a right answer to compare with. */
  readonly withReference: number;
  /** Prompts of plain text, which the model gets as they are. */
  readonly plain: number;
}

/**
 * Rows to prompts, up to where the answer begins. A prompt keeps its last max_prompt_length tokens. Throws
 * `dataset-invalid` when none is left, `template-invalid` for conversations without a template.
 */
export function buildPrompts(
  examples: readonly Example[],
  tools: EncodeTools,
  options: PromptOptions,
): PromptExamples {
  const rows: PromptRow[] = [];
  const dropped: DroppedRow[] = [];
  let cut = 0;
  for (const example of examples) {
    const result = orRefusal(() => encodePrompt(example, tools, options));
    if ("reason" in result) dropped.push({ rowIndex: example.rowIndex, reason: result.reason });
    else {
      rows.push(result.prompt);
      cut += result.cut ? 1 : 0;
    }
  }
  if (rows.length === 0) {
    throw new AppError(
      "dataset-invalid",
      `No row has a prompt to answer. ${dropped.length} rows were left out; the first because ${dropped[0]?.reason ?? "there are none"}.`,
      { details: { dropped: dropped.slice(0, 20) } },
    );
  }
  return {
    rows,
    cut,
    dropped,
    withReference: rows.filter(({ reference }) => reference !== null).length,
    plain: rows.filter(({ prompt }) => typeof prompt === "string").length,
  };
}

/** One prompt, or the reason why it is left out. */
export function encodePrompt(
  example: Example,
  tools: EncodeTools,
  { maxPromptLength, templateVariables }: PromptOptions,
): { prompt: PromptRow; cut: boolean } | { readonly reason: string } {
  if (example.kind !== "prompt") {
    throw new AppError(
      "dataset-invalid",
      `Methods with rewards learn from prompts; these rows are of the kind ${example.kind}. Name the prompt's column with column_mapping.`,
    );
  }
  const { prompt, reference, row, rowIndex } = example;
  const plain = typeof prompt === "string";
  const text = plain ? prompt : renderChat(prompt, tools, true, templateVariables);
  const ids = plain
    ? encodePlain(text, tools.tokenizer)
    : tools.tokenizer.encode(text, { addSpecialTokens: false });
  if (ids.length === 0) return { reason: "its prompt has no token" };
  return {
    prompt: { ids: Int32Array.from(ids.slice(-maxPromptLength)), prompt, text, reference, row, rowIndex },
    cut: ids.length > maxPromptLength,
  };
}
