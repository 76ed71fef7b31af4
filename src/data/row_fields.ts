import { isRecord } from "../formats/json.ts";
import type { Turns } from "./example.ts";
import type { Message, Row } from "./message.ts";
import type { RowProblemKind } from "./row_problem.ts";

/** Why a row does not fit its format; `dataset_formats.ts` turns it into a row problem with its line. */
export class RowRefusal extends Error {
  readonly kind: RowProblemKind;
  constructor(kind: RowProblemKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The first of the columns that the row has and that is not null. */
export function columnOf(row: Row, names: readonly string[]): string | undefined {
  return names.find((name) => row[name] !== undefined && row[name] !== null);
}

/** Text of the first of these columns. Numbers and booleans are written out. Throws RowRefusal when there is none. */
export function needText(row: Row, names: readonly string[]): string {
  const text = optionalText(row, names);
  if (text === undefined) throw new RowRefusal("missing-column", `\`${names[0]}\` is missing.`);
  if (text.trim() === "") throw new RowRefusal("empty", `\`${columnOf(row, names)}\` is empty.`);
  return text;
}

/** As `needText`, but undefined when the row has none of the columns. */
export function optionalText(row: Row, names: readonly string[]): string | undefined {
  const name = columnOf(row, names);
  if (name === undefined) return undefined;
  const value = row[name];
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new RowRefusal(
    "wrong-type",
    `\`${name}\` is ${Array.isArray(value) ? "a list" : "an object"}, not text.`,
  );
}

/**
 * The text of the first of these columns that has some; of a conversation, its last message; of several answers, the first.
 * Null when none has: what is no text is no answer to compare with.
 */
export function referenceText(row: Row, names: readonly string[]): string | null {
  for (const name of names) {
    const text = answerIn(parsed(row[name]));
    if (typeof text === "string" && text.trim() !== "") return text;
    if (typeof text === "number" || typeof text === "boolean") return String(text);
  }
  return null;
}

/** Answers of question datasets are {text: [...]} (SQuAD), {value, aliases} (TriviaQA) or a list of texts. */
function answerIn(value: unknown): unknown {
  if (Array.isArray(value)) {
    const last: unknown = value.at(-1);
    return isRecord(last) ? (last["content"] ?? last["value"]) : value[0];
  }
  if (!isRecord(value)) return value;
  const { text, value: single } = value;
  return Array.isArray(text) ? text[0] : (text ?? (typeof single === "string" ? single : undefined));
}

/** Text or a conversation. */
export function needTurns(row: Row, name: string): Turns {
  const value = parsed(row[name]);
  return Array.isArray(value) ? readMessages(value, name) : needText(row, [name]);
}

export function needMessages(row: Row, name: string): Message[] {
  const value = parsed(row[name]);
  if (value === undefined || value === null)
    throw new RowRefusal("missing-column", `\`${name}\` is missing.`);
  if (!Array.isArray(value)) throw new RowRefusal("wrong-type", `\`${name}\` is not a list of messages.`);
  return readMessages(value, name);
}

/** CSV keeps conversations as JSON text. */
function parsed(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*\[\s*\{/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    // It is text that begins like JSON.
    return value;
  }
}

/** ShareGPT's names of the speakers, and those that its descendants use. */
const ROLES: Readonly<Record<string, string>> = {
  human: "user",
  gpt: "assistant",
  chatgpt: "assistant",
  bot: "assistant",
  model: "assistant",
  bing: "assistant",
  bard: "assistant",
  observation: "tool",
  function_response: "tool",
};
/** Turns in which ShareGPT's files call a tool: text that no chat template knows what to do with. */
const TOOL_CALLS = new Set(["function_call", "tool_call", "function-call", "tool-call"]);
const KNOWN_ROLES = new Set(["system", "user", "assistant", "tool", "developer", "function", "ipython"]);

function readMessages(list: readonly unknown[], name: string): Message[] {
  if (list.length === 0) throw new RowRefusal("empty", `\`${name}\` has no messages.`);
  return list.map((item, i) => readMessage(item, `\`${name}\`, message ${i + 1}`));
}

/** {role, content} or ShareGPT's {from, value}; trl renames only these keys, the speakers' names are mapped here too. */
function readMessage(item: unknown, where: string): Message {
  if (!isRecord(item)) throw new RowRefusal("wrong-type", `${where} is not an object.`);
  const { role, from, content, value, ...extra } = item;
  const speaker = role ?? from;
  if (typeof speaker !== "string") throw new RowRefusal("role", `${where} has no role.`);
  const known = ROLES[speaker.toLowerCase()] ?? speaker;
  if (TOOL_CALLS.has(known.toLowerCase())) {
    throw new RowRefusal(
      "role",
      `${where} calls a tool ("${speaker}"), which has no form in a chat template. Leave such rows out, or write them as messages with tool_calls in a processing_fn.`,
    );
  }
  if (!KNOWN_ROLES.has(known)) {
    throw new RowRefusal(
      "role",
      `${where} has the role "${speaker}"; known are system, user, assistant and tool (human and gpt are understood).`,
    );
  }
  return { ...withoutNulls(extra), role: known, content: readContent(content ?? value, extra, where) };
}

function withoutNulls(extra: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(extra).filter(([, value]) => value !== null));
}

function readContent(content: unknown, extra: Record<string, unknown>, where: string): string {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map((part) => partText(part, where)).join("");
  if ((content === undefined || content === null) && Array.isArray(extra["tool_calls"])) return "";
  if (content === undefined || content === null) throw new RowRefusal("empty", `${where} has no content.`);
  throw new RowRefusal("wrong-type", `${where}: content is not text.`);
}

function partText(part: unknown, where: string): string {
  if (isRecord(part) && typeof part["text"] === "string") return part["text"];
  throw new RowRefusal(
    "wrong-type",
    `${where} holds something other than text; only text can be trained on.`,
  );
}
