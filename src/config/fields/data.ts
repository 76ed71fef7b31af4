import * as z from "zod/mini";
import { type DatasetEntry, datasetEntry } from "../dataset_entries.ts";
import { choice, flag, integer, list, make, nullable, number, required, text } from "../field.ts";
import { code } from "../rewards.ts";

export const TASK_TYPES = [
  "instruction_following",
  "supervised_fine_tuning",
  "text_generation",
  "chat_completion",
  "qa",
  "summarization",
  "code",
  "dpo",
  "grpo",
] as const;
export type TaskType = (typeof TASK_TYPES)[number];

/** Which rows, which columns, and how they become text. */
export const dataFields = {
  dataset_name: required(
    text("openai/gsm8k", {
      label: "Dataset",
      help: "A Hugging Face dataset id, the name of an embedded dataset, or a file (JSONL, JSON, CSV, Parquet, text).",
      group: "data",
      basic: true,
      placeholder: "owner/name",
    }),
  ),
  config_name: nullable(
    text("main", {
      label: "Subset",
      help: "The dataset's subset, when it has several.",
      group: "data",
      basic: true,
    }),
    "The only or default subset.",
  ),
  split: text("train", {
    label: "Split",
    help: "The split to train on; a slice such as train[:1000], train[10%:20%] or train[-50:] takes a part of it, and train+test is the sum of two.",
    group: "data",
    placeholder: "train",
  }),
  dataset_weight: number(1, {
    label: "Weight of the dataset",
    help: "Share of its rows that is trained on beside further datasets: 0.5 takes half of them, chosen by the seed, and 2 takes each twice.",
    group: "data",
    above: 0,
    max: 100,
  }),
  more_datasets: make<readonly DatasetEntry[]>(
    [],
    {
      label: "Further datasets",
      help: "Datasets that are trained on as well, each with a name and, where it needs them, its own config_name, split, column_mapping, max_samples, percent and weight (1 takes every row once). Each is read, cut and held out of by itself; the rows to train on are then put together and shuffled by the seed.",
      group: "data",
    },
    { kind: "datasets" },
    z.array(datasetEntry),
  ),
  eval_dataset_name: nullable(
    text("./eval.jsonl", {
      label: "Evaluation dataset",
      help: "Rows to evaluate on, when they come from somewhere else.",
      group: "data",
    }),
    "A held-out part of the dataset.",
  ),
  column_mapping: make<Readonly<Record<string, string>>>(
    {},
    {
      label: "Column mapping",
      help: "Which dataset column plays which role, as column: role; role: column is understood too, and the data decides which is meant.",
      group: "data",
      basic: true,
    },
    { kind: "mapping", placeholder: "question: prompt" },
    z.record(z.string(), z.string().check(z.minLength(1))),
  ),
  preserve_columns: list([], {
    label: "Columns to keep",
    help: "Further columns that rewards should see by name.",
    group: "data",
  }),
  text_column: nullable(
    text("text", {
      label: "Text column",
      help: "The column with whole texts, for plain text generation.",
      group: "data",
    }),
    "Found by name.",
  ),
  task_type: nullable(
    choice("instruction_following", TASK_TYPES, {
      label: "Kind of data",
      help: "Which rows are looked for first: instructions and answers, whole texts, chats, questions about a text, summaries, code with tests, pairs or prompts. Other names of their columns are then understood too; what was taken for what is shown.",
      group: "data",
      spellings: {
        supervised: "supervised_fine_tuning",
        sft: "supervised_fine_tuning",
        conversation: "chat_completion",
        chat: "chat_completion",
        language_modeling: "text_generation",
        completion: "text_generation",
        instruction: "instruction_following",
        question_answering: "qa",
        summary: "summarization",
        code_generation: "code",
        preference: "dpo",
        rl: "grpo",
        ppo: "grpo",
      },
    }),
    "Found from the columns.",
  ),
  system_prompt: nullable(
    text("You are a helpful assistant.", {
      label: "System prompt",
      help: "Put before every conversation that has no system message of its own.",
      group: "data",
      multiline: true,
    }),
    "None.",
  ),
  chat_template: nullable(
    text("", {
      label: "Chat template",
      help: "A Jinja template used in place of the model's own.",
      group: "data",
      multiline: true,
    }),
    "The model's own.",
  ),
  enable_thinking: nullable(
    flag(false, {
      label: "Thinking",
      help: "Passed to chat templates that have a thinking mode.",
      group: "data",
    }),
    "As the template decides.",
  ),
  processing_fn: nullable(
    make<string | ((...values: never[]) => unknown)>(
      "(row) => row",
      {
        label: "Row function",
        help: "JavaScript, TypeScript or Python that is given each row and returns columns, which are laid over the row before columns are mapped: the code itself, or prep.py#name for a function of a file beside the configuration. It must return the same each time, because rows are read again when a run is resumed.",
        group: "data",
      },
      { kind: "code", placeholder: "(row) => ({ prompt: row.question, answer: row.answer })" },
      code,
    ),
    "None.",
  ),
  processing_batched: flag(false, {
    label: "Row function takes many rows",
    help: "The row function is given up to 1,000 rows at once, as one list for each column, and returns lists.",
    group: "data",
  }),
  processing_fn_kwargs: make<Readonly<Record<string, unknown>>>(
    {},
    {
      label: "Arguments of the row function",
      help: "Passed with every row: as keyword arguments in Python, as one object behind the row in JavaScript.",
      group: "data",
    },
    { kind: "mapping", anyValue: true, placeholder: "suffix: ?" },
    z.record(z.string(), z.unknown()),
  ),
  streaming: nullable(
    flag(true, {
      label: "Stream the rows",
      help: "Reads rows from the file as they are needed, so that a dataset need not fit in memory. The order is shuffled in windows of 16 blocks of rows instead of over all rows, and rows that cannot be used are found on the way.",
      group: "data",
    }),
    "Streams files of more than 128 MB.",
  ),
  max_samples: nullable(
    integer(1000, {
      label: "Rows used",
      help: "Takes the first rows of each split, at most this many; of a share (percent) the first ones.",
      group: "data",
      min: 1,
      unit: "rows",
    }),
    "All rows.",
  ),
  percent: nullable(
    number(10, {
      label: "Share of rows used",
      help: "Takes this percentage of the rows, 0 to 100.",
      group: "data",
      above: 0,
      max: 100,
      unit: "%",
    }),
    "All rows.",
  ),
  max_eval_samples: nullable(
    integer(100, {
      label: "Evaluation rows used",
      help: "At most this many held-out rows are evaluated.",
      group: "evaluation",
      min: 1,
      unit: "rows",
    }),
    "All held-out rows; 500 of a dataset that is streamed.",
  ),
  val_split_ratio: number(0.1, {
    label: "Held out for evaluation",
    help: "Share of the rows held out when the dataset has no validation split; 0 holds nothing out.",
    group: "evaluation",
    min: 0,
    max: 0.9,
    step: 0.05,
  }),
  test_split_ratio: number(0.1, {
    label: "Held out for the test",
    help: "Share of the rows kept for a test after the run when the dataset has no test split; 0 holds nothing out.",
    group: "evaluation",
    min: 0,
    max: 0.9,
    step: 0.05,
  }),
  train_sampling_strategy: choice("random", ["random", "sequential", "group_by_length"], {
    label: "Order of rows",
    help: "random shuffles every epoch, sequential keeps the file's order, group_by_length puts rows of similar length together.",
    group: "training",
  }),
};
