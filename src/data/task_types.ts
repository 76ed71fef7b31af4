import type { TaskType } from "../config/fields/data.ts";
import type { SchemaName } from "./guess_roles.ts";
import type { RowPurpose } from "./row_format.ts";

/** What a task_type says of rows. */
export interface TaskRows {
  /** Purposes that it can be read for. */
  readonly purposes: readonly RowPurpose[];
  /** Row formats that are tried first, in this order; without any, the columns alone decide. */
  readonly formats: readonly string[];
  /** Where other names for the columns are sought when none of these formats fits. */
  readonly schema: SchemaName | undefined;
  /** The rows in words. */
  readonly reads: string;
}

const ANSWERED = ["instruction", "question_answer", "prompt_completion", "prompt_response"];

export const TASK_ROWS: Readonly<Record<TaskType, TaskRows>> = {
  instruction_following: {
    purposes: ["sft", "prompt"],
    formats: ANSWERED,
    schema: "sft",
    reads: "instructions and their answers",
  },
  supervised_fine_tuning: { purposes: ["sft"], formats: [], schema: undefined, reads: "rows with answers" },
  text_generation: { purposes: ["sft"], formats: ["text"], schema: "text", reads: "whole texts" },
  chat_completion: {
    purposes: ["sft", "prompt"],
    formats: ["messages", "sharegpt"],
    schema: undefined,
    reads: "conversations",
  },
  qa: {
    purposes: ["sft", "prompt"],
    formats: ["question_answer"],
    schema: "qa",
    reads: "questions about a text, with answers",
  },
  summarization: {
    purposes: ["sft", "prompt"],
    formats: ["summarization"],
    schema: "summarization",
    reads: "documents and summaries",
  },
  code: {
    purposes: ["sft", "prompt"],
    formats: ["mbpp", "humaneval", "task_code"],
    schema: "code",
    reads: "tasks and code",
  },
  dpo: { purposes: ["preference"], formats: [], schema: undefined, reads: "pairs of answers" },
  grpo: { purposes: ["prompt"], formats: [], schema: undefined, reads: "prompts" },
};
