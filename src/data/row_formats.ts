import type { Row } from "./message.ts";
import { PREFERENCE_FORMATS } from "./preference_formats.ts";
import {
  ANSWER,
  ANSWERS,
  asked,
  conversation,
  promptOnly,
  QUESTION,
  REFERENCE,
  SYSTEM,
  withSystem,
} from "./read_row.ts";
import { columnOf, needMessages, needText, needTurns, optionalText } from "./row_fields.ts";
import { columnNamed, has, type RowFormat, type RowSample } from "./row_format.ts";
import { TASK_FORMATS } from "./task_formats.ts";

const CONVERSATIONS = ["conversations", "conversation"];

/** Whether rows have what to learn: an answer for SFT; the reward methods need none. */
const answersIn = ({ columns, purpose }: RowSample): boolean =>
  purpose === "prompt" || columnNamed(columns, [...ANSWER, ...ANSWERS]) !== undefined;

/**
 * What rows may look like, the more telling first. Text that names itself a prompt and its completion, and `text`,
 * stay plain, as in trl. Instruction and question rows become conversations where the model has a chat template, as
 * in AlignTune, and Alpaca's form of text where it has none.
 */
export const ROW_FORMATS: readonly RowFormat[] = [
  ...PREFERENCE_FORMATS,
  ...TASK_FORMATS.filter(({ id }) => id !== "summarization"),
  {
    id: "prompt_completion",
    label: "prompt and completion",
    purposes: ["sft", "prompt"],
    needs: "prompt and completion",
    columns: ["prompt", "completion"],
    fits: ({ columns }) => has(columns, "prompt", "completion"),
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
    fits: ({ columns, rows }) =>
      columns.includes("messages") && rows.some((row) => isConversation(row["messages"])),
    read: (row, options) => conversation(row, needMessages(row, "messages"), options),
  },
  {
    id: "sharegpt",
    label: "ShareGPT conversations",
    purposes: ["sft", "prompt"],
    needs: "conversations with from and value",
    columns: [...CONVERSATIONS, ...SYSTEM],
    fits: ({ columns }) => columnNamed(columns, CONVERSATIONS) !== undefined,
    read(row, options) {
      const name = columnOf(row, CONVERSATIONS) ?? "conversations";
      const system = optionalText(row, SYSTEM)?.trim();
      return conversation(row, needMessages(row, name), options, system || undefined);
    },
  },
  {
    id: "instruction",
    label: "instruction",
    purposes: ["sft", "prompt"],
    needs: "instruction (and input) with response or output",
    columns: ["instruction", "input", "context", "history", ...SYSTEM, ...ANSWER],
    fits: (sample) => sample.columns.includes("instruction") && answersIn(sample),
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
    columns: [...QUESTION, "context", "history", ...SYSTEM, ...ANSWER, ...ANSWERS],
    fits: (sample) => columnNamed(sample.columns, QUESTION) !== undefined && answersIn(sample),
    read: (row, options) => {
      const { context } = row;
      // Some datasets keep passages there as lists; those are no text to ask about.
      const passage = typeof context === "string" ? context.trim() : "";
      const question = columnOf(row, QUESTION) ?? "question";
      if (passage === "") return asked(row, QUESTION, "", options);
      return asked({ ...row, [question]: passage }, [question], needText(row, QUESTION), options);
    },
  },
  {
    id: "prompt_response",
    label: "prompt and response",
    purposes: ["sft", "prompt"],
    needs: "prompt with response, output or answer",
    columns: ["prompt", "history", ...SYSTEM, ...ANSWER],
    // `solution` beside a prompt is trl's name for what its rewards compare with; such prompts stay as they are.
    fits: ({ columns, purpose }) =>
      columns.includes("prompt") &&
      columnNamed(columns, purpose === "prompt" ? ANSWER.filter((name) => name !== "solution") : ANSWER) !==
        undefined,
    read: (row, options) =>
      options.purpose === "prompt" && typeof needTurns(row, "prompt") !== "string"
        ? promptOnly(row, options)
        : asked(row, ["prompt"], "", options),
  },
  ...TASK_FORMATS.filter(({ id }) => id === "summarization"),
  {
    id: "task_code",
    label: "task and code",
    purposes: ["prompt"],
    needs: "text and code",
    columns: ["text", "code"],
    fits: ({ columns }) => !columns.includes("prompt") && has(columns, "text", "code"),
    read: (row, options) => asked(row, ["text"], "", options),
  },
  {
    id: "text",
    label: "text",
    purposes: ["sft"],
    needs: "text",
    columns: ["text"],
    fits: ({ columns }) => columns.includes("text"),
    read: (row) => ({ kind: "text", text: needText(row, ["text"]) }),
  },
  {
    id: "prompt_only",
    label: "prompt",
    purposes: ["prompt"],
    needs: "prompt (and reference, solution or another column with the right answer)",
    columns: ["prompt", ...REFERENCE],
    fits: ({ columns }) => columns.includes("prompt"),
    read: promptOnly,
  },
];

export const ALL_COLUMNS: ReadonlySet<string> = new Set(ROW_FORMATS.flatMap((format) => format.columns));

function isConversation(value: Row[string]): boolean {
  return Array.isArray(value) || (typeof value === "string" && /^\s*\[\s*\{/.test(value));
}
