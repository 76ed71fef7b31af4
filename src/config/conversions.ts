import { type Algorithm, parseAlgorithm } from "./algorithm.ts";

/** What a foreign setting sets here, and why it looks different; or why it is not used. */
export type Converted =
  | { readonly set: Readonly<Record<string, unknown>>; readonly why: string }
  | { readonly unused: string }
  | { readonly refused: string };
export type Conversion = (value: unknown, algorithm: Algorithm) => Converted;

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isOn = (value: unknown): boolean => value === true || /^(true|yes|on|1)$/i.test(String(value));
const word = (value: unknown): string => String(value).trim().toLowerCase();

const EIGHT_BIT = "Base weights of 8 bit are not offered; backend: unsloth holds them in 4 bit.";

function quantization(value: unknown): Converted {
  if (value === null || value === undefined || value === false)
    return { unused: "No quantisation was asked for." };
  if (isMapping(value)) {
    if (Object.hasOwn(value, "load_in_4bit")) {
      return {
        set: { load_in_4bit: value["load_in_4bit"] },
        why: "4-bit base weights are NF4 with double quantisation.",
      };
    }
    return { unused: isOn(value["load_in_8bit"]) ? EIGHT_BIT : "It asks for nothing that is known here." };
  }
  if (/(4|nf4|int4|4bit)$/.test(word(value))) {
    return { set: { load_in_4bit: true }, why: "4-bit base weights are NF4 with double quantisation." };
  }
  return { unused: /8/.test(word(value)) ? EIGHT_BIT : "No quantisation was asked for." };
}

function finetuningType(value: unknown): Converted {
  const name = word(value);
  if (name === "lora") return { set: { peft_enabled: true }, why: "LoRA is peft_enabled." };
  if (name === "qlora")
    return { set: { peft_enabled: true, load_in_4bit: true }, why: "QLoRA is an adapter on 4-bit weights." };
  if (name === "full" || name === "" || name === "null") {
    return { set: { peft_enabled: false }, why: "Full fine-tuning is peft_enabled: false." };
  }
  return { refused: `"${name}" is not a way of training that is offered; use lora, qlora or full.` };
}

function warmupSteps(value: unknown): Converted {
  const number = typeof value === "string" ? Number(value) : value;
  if (typeof number === "number" && number > 0 && number < 1) {
    return { set: { warmup_ratio: number }, why: "A warm-up below 1 is a share of the steps." };
  }
  return { set: { warmup_steps: value }, why: "" };
}

function saveOrEvalNone(
  key: "max_steps" | "max_samples" | "save_total_limit" | "max_eval_samples",
): Conversion {
  return (value) =>
    Number(value) <= 0 && value !== null && value !== "" && typeof value !== "boolean"
      ? { set: { [key]: null }, why: "0 or less means no limit." }
      : { set: { [key]: value }, why: "" };
}

function trainSplit(value: unknown): Converted {
  const [subset, split] = String(value).split(":");
  return typeof value === "string" && subset && split
    ? { set: { config_name: subset, split }, why: "subset:split names both." }
    : { set: { split: value }, why: "" };
}

function task(value: unknown): Converted {
  const algorithm = typeof value === "string" ? parseAlgorithm(value) : undefined;
  return algorithm
    ? { set: { algorithm }, why: "The task names the method." }
    : { unused: "The method and the data say what the task is." };
}

/** Kinds of data that are read here stay as they are; those that train a head of labels are refused. */
function taskType(value: unknown): Converted {
  if (/^causal_?lm$/.test(word(value))) return { unused: "Every model here is a causal language model." };
  if (/classification|^(seq|token)_?cls$/.test(word(value))) {
    return {
      refused: `task_type ${word(value)} trains a head that tells labels, which is not offered. To have the model write the label as its answer, use instruction_following and map the columns, such as {text: instruction, label: response}.`,
    };
  }
  return { set: { task_type: value }, why: "" };
}

/** Foreign settings whose value must be turned as well, by plain name. An empty `why` means that nothing changed. */
export const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  task,
  task_type: taskType,
  train_split: trainSplit,
  quantization,
  quantization_bit: quantization,
  quantize: quantization,
  finetuning_type: finetuningType,
  adapter: (value) =>
    value === null || /^(q?lora)?$/.test(word(value))
      ? finetuningType(value)
      : { set: { adapter_name_or_path: value }, why: "adapter names the adapter to start from." },
  lora_target_linear: (value) =>
    isOn(value)
      ? { set: { target_modules: "all-linear" }, why: "All linear layers are target_modules: all-linear." }
      : { unused: "target_modules lists the layers." },
  group_by_length: (value) =>
    isOn(value)
      ? { set: { train_sampling_strategy: "group_by_length" }, why: "It is one of the orders of rows." }
      : { unused: "Rows are not grouped by length unless train_sampling_strategy says so." },
  warmup_steps: warmupSteps,
  max_steps: saveOrEvalNone("max_steps"),
  max_samples: saveOrEvalNone("max_samples"),
  max_eval_samples: saveOrEvalNone("max_eval_samples"),
  save_total_limit: saveOrEvalNone("save_total_limit"),
  reward_functions: (value) => ({
    set: { rewards: Array.isArray(value) ? value : [value] },
    why: "Reward functions are rewards; reward_function_weights are their weights.",
  }),
  reward_funcs: (value) => ({
    set: { rewards: Array.isArray(value) ? value : [value] },
    why: "Reward functions are rewards.",
  }),
  enable_sample_logging: (value) =>
    isOn(value)
      ? { unused: "sample_every says how often." }
      : { set: { sample_every: 0 }, why: "Sample answers are off." },
};
