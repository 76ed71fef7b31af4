import type { ExampleBody, Turns } from "./example.ts";
import type { Message, Row } from "./message.ts";
import { columnOf, needText, needTurns, optionalText, RowRefusal, referenceText } from "./row_fields.ts";
import type { ReadOptions } from "./row_format.ts";

/** Where the answer of a question may stand. */
export const ANSWER = ["response", "output", "answer", "completion", "target", "solution"];
/** Further places, in which datasets of questions keep lists of answers. */
export const ANSWERS = ["answers"];
export const QUESTION = ["question", "query", "problem"];
/** Where a system message may stand beside a question. */
export const SYSTEM = ["system", "system_prompt"];
/** Where the right answer of a prompt may stand, the most telling first. */
export const REFERENCE = [
  "reference",
  "ground_truth",
  "solution",
  "response",
  "answer",
  "answers",
  "target",
  "completion",
  "output",
  "label",
  "canonical_solution",
  "code",
];

/**
 * A whole conversation to learn from, or its beginning up to the last answer to be answered anew; that answer is what to
 * compare with, unless a column says it better.
 */
export function conversation(
  row: Row,
  messages: readonly Message[],
  options: ReadOptions,
  system?: string,
): ExampleBody {
  const all = addSystem(messages, system ?? options.systemPrompt);
  if (options.purpose === "sft") return { kind: "messages", messages: all };
  const last = all.at(-1);
  const prompt = last?.role === "assistant" ? all.slice(0, -1) : all;
  if (!prompt.some(({ role }) => role !== "system")) {
    throw new RowRefusal("empty", "nothing is asked before the answer.");
  }
  const answer = last?.role === "assistant" ? last.content : null;
  return { kind: "prompt", prompt, reference: referenceText(row, REFERENCE) ?? answer };
}

/** A prompt of its own column. */
export function promptOnly(row: Row, options: ReadOptions): ExampleBody {
  return {
    kind: "prompt",
    prompt: promptAlone(needTurns(row, "prompt"), options),
    reference: referenceText(row, REFERENCE),
  };
}

export interface Asked {
  readonly question: string;
  /** What the question is about; empty when nothing. */
  readonly input?: string;
  /** Turns before it. */
  readonly history?: readonly Message[];
  /** Read only where an answer is wanted. */
  readonly answer: () => string;
}

/** A question in one or two columns and its answer. */
export function asked(row: Row, names: readonly string[], input: string, options: ReadOptions): ExampleBody {
  return ask(row, options, {
    question: needText(row, names),
    input,
    history: readHistory(row["history"]),
    answer: () => answerText(row),
  });
}

/** A question as a conversation where the model has a chat template, in Alpaca's form where it has none. */
export function ask(
  row: Row,
  options: ReadOptions,
  { question, input = "", history = [], answer }: Asked,
): ExampleBody {
  const system = optionalText(row, SYSTEM)?.trim() || options.systemPrompt;
  const turn = { role: "user", content: input === "" ? question : `${question}\n\n${input}` };
  const prompt = options.hasTemplate ? addSystem([...history, turn], system) : alpaca(question, input);
  if (options.purpose === "prompt")
    return { kind: "prompt", prompt, reference: referenceText(row, REFERENCE) };
  const text = answer();
  return {
    kind: "prompt_completion",
    prompt,
    completion: options.hasTemplate ? [{ role: "assistant", content: text }] : text,
  };
}

function answerText(row: Row): string {
  const name = columnOf(row, ANSWER);
  if (name !== undefined && typeof row[name] !== "object") return needText(row, ANSWER);
  const text = referenceText(row, [...ANSWER, ...ANSWERS]);
  if (text !== null) return text;
  const list = columnOf(row, ANSWERS);
  if (name === undefined && list !== undefined) throw new RowRefusal("empty", `\`${list}\` holds no answer.`);
  return needText(row, ANSWER);
}

/** Alpaca's turns before the question, as pairs of question and answer. */
function readHistory(value: unknown): Message[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((text) => typeof text === "string"))
      throw new RowRefusal("wrong-type", "`history` is not a list of pairs of question and answer.");
    const [content = "", answer = ""] = pair;
    return [
      { role: "user", content },
      { role: "assistant", content: answer },
    ];
  });
}

/** Alpaca's prompt, for models without a chat template (AlignTune's fallback). */
export function alpaca(instruction: string, input: string): string {
  const middle = input === "" ? "" : `### Input:\n${input}\n\n`;
  return `### Instruction:\n${instruction}\n\n${middle}### Response:\n`;
}

/** A system message first, unless there is one. Plain text stays as it is. */
export function withSystem(turns: Turns, { systemPrompt }: ReadOptions): Turns {
  return typeof turns === "string" ? turns : addSystem(turns, systemPrompt);
}

/** A prompt of plain text stays plain, unless a system prompt makes it the question of a conversation (AlignTune). */
function promptAlone(turns: Turns, options: ReadOptions): Turns {
  const asChat = typeof turns === "string" && options.hasTemplate && options.systemPrompt !== undefined;
  return withSystem(asChat ? [{ role: "user", content: turns }] : turns, options);
}

export function addSystem(messages: readonly Message[], system: string | undefined): readonly Message[] {
  if (system === undefined || system === "" || messages[0]?.role === "system") return messages;
  return [{ role: "system", content: system }, ...messages];
}
