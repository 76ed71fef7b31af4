import { AppError } from "../lib/errors.ts";
import type { ChatTemplate } from "./chat_template.ts";
import type { Turns } from "./example.ts";
import type { Message } from "./message.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** What turns rows into tokens. */
export interface EncodeTools {
  readonly tokenizer: Tokenizer;
  /** Undefined when the model has none; conversations are then refused. */
  readonly template: ChatTemplate | undefined;
}

export interface DroppedRow {
  readonly rowIndex: number;
  readonly reason: string;
}

export type TemplateVariables = Readonly<Record<string, unknown>>;

/** Plain text gets the tokenizer's own special tokens; a rendered conversation brings its template's. */
export function encodePlain(text: string, tokenizer: Tokenizer): number[] {
  return tokenizer.encode(text, { addSpecialTokens: true });
}

/** A text is a turn of that role, where conversations are wanted. */
export function asMessages(turns: Turns, role: "user" | "assistant"): readonly Message[] {
  return typeof turns === "string" ? [{ role, content: turns }] : turns;
}

/** EOS as text, so that it merges with nothing; only where the text does not end with it already. */
export function withEos(text: string, { specialTokens }: Tokenizer): string {
  const eos = specialTokens["eos_token"] ?? "";
  return text.endsWith(eos) ? text : text + eos;
}

export function isPrefix(prefix: readonly number[], ids: readonly number[]): boolean {
  return prefix.length <= ids.length && prefix.every((id, i) => ids[i] === id);
}

/** The text of a conversation. Throws `template-invalid`. */
export function renderChat(
  messages: readonly Message[],
  tools: EncodeTools,
  addGenerationPrompt: boolean,
  variables: TemplateVariables | undefined,
): string {
  return needTemplate(tools).render(messages, {
    addGenerationPrompt,
    ...(variables === undefined ? {} : { variables }),
  });
}

export function needTemplate({ template, tokenizer }: EncodeTools): ChatTemplate {
  if (template) return template;
  throw new AppError(
    "template-invalid",
    `The rows are conversations, and ${tokenizer.name} is a base model without a chat template. Choose chat_template: chatml to use ChatML.`,
    { details: { model: tokenizer.name } },
  );
}

/** What `encode` gives, or the reason why the template refuses this row: one row less, not the end. */
export function orRefusal<T>(encode: () => T): T | { readonly reason: string } {
  try {
    return encode();
  } catch (cause) {
    const refused =
      cause instanceof AppError && cause.code === "template-invalid" && cause.details["refused"];
    if (cause instanceof AppError && refused) return { reason: cause.message };
    throw cause;
  }
}
