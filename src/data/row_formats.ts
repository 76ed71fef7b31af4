import type { ExampleBody, Turns } from "./example.ts";
import type { Message, Row } from "./message.ts";
import {
  columnOf,
  needMessages,
  needText,
  needTurns,
  optionalText,
  RowRefusal,
  referenceText,
} from "./row_fields.ts";

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
/** Where the right answer of a prompt may stand, the most telling first. */
const REFERENCE = [
  "reference",
  "ground_truth",
  "solution",
  "response",
  "answer",
  "target",
  "completion",
  "output",
  "label",
  "canonical_solution",
  "code",
];
/** Names for the better and the worse of two answers (AlignTune's). */
const PAIRS: readonly (readonly [chosen: string, rejected: string])[] = [
  ["chosen", "rejected"],
  ["chosen_response", "rejected_response"],
  ["better_response", "worse_response"],
  ["winner", "loser"],
  ["response_j", "response_k"],
  ["positive", "negative"],
  ["chosen_text", "rejected_text"],
];

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
    columns: ["prompt", ...PAIRS.flat()],
    fits: (columns) => PAIRS.some((pair) => has(columns, ...pair)),
    read: preference,
  },
  {
    id: "prompt_completion",
    label: "prompt and completion",
    purposes: ["sft", "prompt"],
    needs: "prompt and completion",
    columns: ["prompt", "completion"],
    fits: (columns) => has(columns, "prompt", "completion"),
    read: (row, options) =>
      options.purpose === "prompt"
        ? promptOnly(row, options)
        : {
            kind: "prompt_completion",
            prompt: withSystem(needTurns(row, "prompt"), options),
            completion: needTurns(row, "completion"),
          },
  },
  {
    id: "messages",
    label: "messages",
    purposes: ["sft", "prompt"],
    needs: "messages with role and content",
    columns: ["messages"],
    fits: (columns, rows) =>
      columns.includes("messages") && rows.some((row) => isConversation(row["messages"])),
    read: (row, options) => conversation(row, needMessages(row, "messages"), options),
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
      return conversation(row, needMessages(row, name), options, optionalText(row, ["system"]));
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
    purposes: ["sft", "prompt"],
    needs: "prompt with response, output or answer",
    columns: ["prompt", ...ANSWER],
    fits: (columns) => columns.includes("prompt") && columnNamed(columns, ANSWER) !== undefined,
    read: (row, options) =>
      options.purpose === "prompt" && typeof needTurns(row, "prompt") !== "string"
        ? promptOnly(row, options)
        : asked(row, ["prompt"], "", options),
  },
  {
    id: "task_code",
    label: "task and code",
    purposes: ["prompt"],
    needs: "text and code",
    columns: ["text", "code"],
    fits: (columns) => !columns.includes("prompt") && has(columns, "text", "code"),
    read: (row, options) => asked(row, ["text"], "", options),
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
    needs: "prompt (and reference, solution or another column with the right answer)",
    columns: ["prompt", ...REFERENCE],
    fits: (columns) => columns.includes("prompt"),
    read: promptOnly,
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

/** Two answers to one prompt. Where no column has the prompt, the answers are whole conversations or texts. */
function preference(row: Row, options: ReadOptions): ExampleBody {
  const [chosen, rejected] = PAIRS.find((pair) => has(Object.keys(row), ...pair)) ?? ["chosen", "rejected"];
  const better = needTurns(row, chosen);
  const worse = needTurns(row, rejected);
  const first = columnOf(row, ["prompt", "instruction", ...QUESTION]);
  // Files such as ultrafeedback_binarized repeat the prompt, as text, beside answers that hold it too.
  if (
    first === undefined ||
    (typeof needTurns(row, first) === "string" && isWhole(better) && isWhole(worse))
  ) {
    return {
      kind: "preference",
      prompt: undefined,
      chosen: withSystem(better, options),
      rejected: withSystem(worse, options),
    };
  }
  const prompt = withSystem(needTurns(row, first), options);
  return { kind: "preference", prompt, chosen: better, rejected: worse };
}

/** Whether a conversation begins before the answer. */
function isWhole(turns: Turns): boolean {
  return typeof turns !== "string" && turns.length > 1 && turns[0]?.role !== "assistant";
}

/**
 * A whole conversation to learn from, or its beginning up to the last answer to be answered anew; that answer is what to
 * compare with, unless a column says it better.
 */
function conversation(
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
function promptOnly(row: Row, options: ReadOptions): ExampleBody {
  return {
    kind: "prompt",
    prompt: promptAlone(needTurns(row, "prompt"), options),
    reference: referenceText(row, REFERENCE),
  };
}

/** A question in one or two columns and its answer. */
function asked(row: Row, names: readonly string[], input: string, options: ReadOptions): ExampleBody {
  const question = needText(row, names);
  const system = optionalText(row, ["system"])?.trim() || options.systemPrompt;
  const prompt = options.hasTemplate
    ? addSystem([{ role: "user", content: input === "" ? question : `${question}\n\n${input}` }], system)
    : alpaca(question, input);
  if (options.purpose === "prompt") {
    return { kind: "prompt", prompt, reference: referenceText(row, REFERENCE) };
  }
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
