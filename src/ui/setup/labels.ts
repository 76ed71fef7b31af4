import type { FieldData } from "../../config/fields.ts";
import type { DataKind } from "../../protocol/catalog.ts";

/** Names of the sections of the form. */
export const GROUP_LABELS: Readonly<Record<FieldData["group"], string>> = {
  method: "Method",
  model: "Model",
  data: "Data",
  rewards: "Rewards",
  training: "Length and batch",
  optimizer: "Optimizer",
  schedule: "Schedule",
  lora: "LoRA",
  loss: "Loss",
  sampling: "Sampling",
  clipping: "KL and clipping",
  evaluation: "Evaluation",
  checkpoints: "Logging and checkpoints",
  samples: "Sample answers",
};

/** What most people change, in the order in which they think of it. */
export const BASIC_KEYS: Readonly<Record<DataKind, readonly string[]>> = {
  examples: ["max_steps", "num_epochs", "learning_rate", "batch_size", "max_seq_length", "lora_rank", "seed"],
  pairs: ["max_steps", "num_epochs", "learning_rate", "batch_size", "beta", "max_seq_length", "lora_rank"],
  prompts: [
    "max_steps",
    "learning_rate",
    "batch_size",
    "num_generations",
    "kl_coef",
    "max_completion_length",
    "temperature",
    "lora_rank",
  ],
};

/** Settings that have their own place on the page, or none: what they need cannot be entered here. */
const ELSEWHERE = new Set([
  "algorithm",
  "model_name",
  "adapter_name_or_path",
  "dataset_name",
  "column_mapping",
  "reward_weights",
  "output_dir",
]);
const DRAWN = new Set([
  "number",
  "integer",
  "flag",
  "choice",
  "choices",
  "text",
  "list",
  "numbers",
  "mapping",
]);

/** Whether a setting is drawn in the list of all settings. */
export const isListed = ({ key, control }: FieldData): boolean =>
  !ELSEWHERE.has(key) && DRAWN.has(control.kind);

/** Whether a setting fits what was typed into the search. */
export function matches({ key, label, help }: FieldData, query: string): boolean {
  const text = `${key} ${label} ${help}`.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
