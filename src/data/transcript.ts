import type { Message } from "./message.ts";
import { RowRefusal } from "./row_fields.ts";

/** How Anthropic's HH-RLHF writes who speaks. */
const MARK = /(?:^|\n\n)(Human|Assistant):/g;

/** Whether a text is a conversation written as "\n\nHuman: ...\n\nAssistant: ...". */
export const isTranscript = (value: unknown): value is string =>
  typeof value === "string" && /^\s*Human:[\s\S]*\n\nAssistant:/.test(value);

/**
 * Every turn of a transcript. Two turns of one speaker in a row, which some rows have, become one, because chat templates
 * want speakers to alternate. Throws RowRefusal for a text that does not begin with a turn.
 */
export function readTranscript(text: string, where: string): Message[] {
  const marks = [...text.matchAll(MARK)];
  const [first] = marks;
  if (first === undefined || text.slice(0, first.index).trim() !== "")
    throw new RowRefusal("wrong-type", `${where} does not begin with "Human:".`);
  const turns: { role: string; content: string }[] = [];
  marks.forEach((mark, i) => {
    const content = text.slice(mark.index + mark[0].length, marks[i + 1]?.index).trim();
    const role = mark[1] === "Human" ? "user" : "assistant";
    const before = turns.at(-1);
    if (before?.role === role) before.content = [before.content, content].filter(Boolean).join("\n\n");
    else turns.push({ role, content });
  });
  return turns;
}

/** Two transcripts that differ in the last answer alone. */
export interface TranscriptPair {
  readonly prompt: readonly Message[];
  readonly chosen: Message;
  readonly rejected: Message;
}

/** The turns that both share and the last answer of each. Throws RowRefusal for pairs that are no two answers to one prompt. */
export function readTranscriptPair(chosen: string, rejected: string): TranscriptPair {
  const better = answered(readTranscript(chosen, "`chosen`"), "`chosen`");
  const worse = answered(readTranscript(rejected, "`rejected`"), "`rejected`");
  const differs = better.prompt.findIndex((turn, i) => {
    const other = worse.prompt[i];
    return other === undefined || other.role !== turn.role || other.content !== turn.content;
  });
  const at = differs >= 0 ? differs : better.prompt.length;
  if (differs >= 0 || worse.prompt.length !== better.prompt.length) {
    throw new RowRefusal(
      "wrong-type",
      `the two conversations differ from turn ${at + 1} on, before the last answer, so they answer no common prompt.`,
    );
  }
  return { prompt: better.prompt, chosen: better.answer, rejected: worse.answer };
}

/** The prompt of a transcript and its answer. Throws RowRefusal where the last word is not the assistant's, or is empty. */
export function answered(
  turns: readonly Message[],
  where: string,
): { prompt: readonly Message[]; answer: Message } {
  const answer = turns.at(-1);
  if (answer?.role !== "assistant")
    throw new RowRefusal(
      "role",
      `${where} ends with the human's words, so there is no answer to learn from.`,
    );
  if (answer.content === "") throw new RowRefusal("empty", `the last answer of ${where} is empty.`);
  const prompt = turns.slice(0, -1);
  if (prompt.length === 0) throw new RowRefusal("empty", `nothing is asked before the answer of ${where}.`);
  return { prompt, answer };
}
