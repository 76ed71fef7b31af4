import type { ExampleBody, Turns } from "./example.ts";
import type { Message, Row } from "./message.ts";
import { columnOf, needMessages, needText, needTurns, optionalText } from "./row_fields.ts";

export type RowPurpose = "sft" | "preference" | "prompt";

export interface ReadOptions {
  readonly purpose: RowPurpose;
  readonly systemPrompt?: string;
  readonly hasTemplate: boolean;
}

export interface RowFormat {
  readonly id: string;
  readonly label: string;
  readonly purposes: readonly RowPurpose[];
  /** The columns in words, for messages. */
  readonly needs: string;
  /** Names with a meaning to this format. */
  readonly columns: readonly string[];
  fits(columns: readonly string[], rows: readonly Row[]): boolean;
  /** Throws RowRefusal. */
  read(row: Row, options: ReadOptions): ExampleBody;
}

const ANSWER = ["response", "output", "answer", "completion", "target"];
const QUESTION = ["question", "query"];

/**
 * What rows may look like, the more telling first. Text that names itself a prompt and its completion, and `text`,
 * stay plain, as in trl. Instruction and question rows become conversations where the model has a chat template, as
 * in AlignTune, and Alpaca's form of text where it has none.
 */
export const ROW_FORMATS: readonly RowFormat[] = [
  {
    id: "preference",
    label: "preference",
    purposes: ["preference"],
    needs: "chosen and rejected (and prompt)",
    columns: ["prompt", "chosen", "rejected"],
    fits: (columns) => has(columns, "chosen", "rejected"),
    read(row, options) {
      const first = columnOf(row, ["prompt", "instruction", ...QUESTION]);
      const prompt = first === undefined ? undefined : withSystem(needTurns(row, first), options);
      return {
        kind: "preference",
        prompt,
        chosen: needTurns(row, "chosen"),
        rejected: needTurns(row, "rejected"),
      };
    },
  },
  {
    id: "prompt_completion",
    label: "prompt and completion",
    purposes: ["sft"],
    needs: "prompt and completion",
    columns: ["prompt", "completion"],
    fits: (columns) => has(columns, "prompt", "completion"),
    read: (row, options) => ({
      kind: "prompt_completion",
      prompt: withSystem(needTurns(row, "prompt"), options),
      completion: needTurns(row, "completion"),
    }),
  },
  {
    id: "messages",
    label: "messages",
    purposes: ["sft", "prompt"],
    needs: "messages with role and content",
    columns: ["messages"],
    fits: (columns, rows) =>
      columns.includes("messages") && rows.some((row) => isConversation(row["messages"])),
    read: (row, options) => conversation(needMessages(row, "messages"), options),
  },
  {
    id: "sharegpt",
    label: "ShareGPT conversations",
    purposes: ["sft", "prompt"],
    needs: "conversations with from and value",
    columns: ["conversations", "conversation"],
    fits: (columns) => columnNamed(columns, ["conversations", "conversation"]) !== undefined,
    read(row, options) {
      const name = columnOf(row, ["conversations", "conversation"]) ?? "conversations";
      return conversation(needMessages(row, name), options, optionalText(row, ["system"]));
    },
  },
  {
    id: "instruction",
    label: "instruction",
    purposes: ["sft", "prompt"],
    needs: "instruction (and input) with response or output",
    columns: ["instruction", "input", "context", ...ANSWER],
    fits: (columns) => columns.includes("instruction"),
    read(row, options) {
      const input = optionalText(row, ["input", "context"])?.trim() ?? "";
      return asked(row, ["instruction"], input, options);
    },
  },
  {
    id: "question_answer",
    label: "question and answer",
    purposes: ["sft", "prompt"],
    needs: "question and answer",
    columns: ["question", "query", ...ANSWER],
    fits: (columns) => columnNamed(columns, QUESTION) !== undefined,
    read: (row, options) => asked(row, QUESTION, "", options),
  },
  {
    id: "prompt_response",
    label: "prompt and response",
    purposes: ["sft"],
    needs: "prompt with response, output or answer",
    columns: ["prompt", ...ANSWER],
    fits: (columns) => columns.includes("prompt") && columnNamed(columns, ANSWER) !== undefined,
    read: (row, options) => asked(row, ["prompt"], "", options),
  },
  {
    id: "text",
    label: "text",
    purposes: ["sft"],
    needs: "text",
    columns: ["text"],
    fits: (columns) => columns.includes("text"),
    read: (row) => ({ kind: "text", text: needText(row, ["text"]) }),
  },
  {
    id: "prompt_only",
    label: "prompt",
    purposes: ["prompt"],
    needs: "prompt",
    columns: ["prompt"],
    fits: (columns) => columns.includes("prompt"),
    read: (row, options) => ({ kind: "prompt", prompt: promptAlone(needTurns(row, "prompt"), options) }),
  },
];

function has(columns: readonly string[], ...names: readonly string[]): boolean {
  return names.every((name) => columns.includes(name));
}

function columnNamed(columns: readonly string[], names: readonly string[]): string | undefined {
  return names.find((name) => columns.includes(name));
}

function isConversation(value: unknown): boolean {
  return Array.isArray(value) || (typeof value === "string" && /^\s*\[\s*\{/.test(value));
}

/** A whole conversation to learn from, or its beginning up to the last answer to be answered anew. */
function conversation(messages: readonly Message[], options: ReadOptions, system?: string): ExampleBody {
  const all = addSystem(messages, system ?? options.systemPrompt);
  if (options.purpose === "sft") return { kind: "messages", messages: all };
  const last = all.at(-1)?.role === "assistant" ? all.slice(0, -1) : all;
  return { kind: "prompt", prompt: last };
}

/** A question in one or two columns and its answer. */
function asked(row: Row, names: readonly string[], input: string, options: ReadOptions): ExampleBody {
  const question = needText(row, names);
  const system = optionalText(row, ["system"])?.trim() || options.systemPrompt;
  const prompt = options.hasTemplate
    ? addSystem([{ role: "user", content: input === "" ? question : `${question}\n\n${input}` }], system)
    : alpaca(question, input);
  if (options.purpose === "prompt") return { kind: "prompt", prompt };
  const answer = needText(row, ANSWER);
  const completion = options.hasTemplate ? [{ role: "assistant", content: answer }] : answer;
  return { kind: "prompt_completion", prompt, completion };
}

/** Alpaca's prompt, for models without a chat template (AlignTune's fallback). */
function alpaca(instruction: string, input: string): string {
  const middle = input === "" ? "" : `### Input:\n${input}\n\n`;
  return `### Instruction:\n${instruction}\n\n${middle}### Response:\n`;
}

/** A system message first, unless there is one. Plain text stays as it is. */
function withSystem(turns: Turns, { systemPrompt }: ReadOptions): Turns {
  return typeof turns === "string" ? turns : addSystem(turns, systemPrompt);
}

/** A prompt of plain text stays plain, unless a system prompt makes it the question of a conversation (AlignTune). */
function promptAlone(turns: Turns, options: ReadOptions): Turns {
  const asChat = typeof turns === "string" && options.hasTemplate && options.systemPrompt !== undefined;
  return withSystem(asChat ? [{ role: "user", content: turns }] : turns, options);
}

function addSystem(messages: readonly Message[], system: string | undefined): readonly Message[] {
  if (system === undefined || system === "" || messages[0]?.role === "system") return messages;
  return [{ role: "system", content: system }, ...messages];
}
