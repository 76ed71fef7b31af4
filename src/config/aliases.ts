import { type Algorithm, isGroupAlgorithm } from "./algorithm.ts";
import { CONVERSIONS, type Conversion } from "./conversions.ts";
import { ALL_KEYS, fieldsOf } from "./fields.ts";
import { whyNotUsed } from "./not_used.ts";

/** Another name of a setting, by itself or under any section: AlignTune's, TRL's, and those of neighbouring tools. */
export const ALIASES: Readonly<Record<string, string>> = {
  algo: "algorithm",
  stage: "algorithm",
  trainer: "algorithm",
  type: "algorithm",
  method: "algorithm",
  training_type: "algorithm",
  rl: "algorithm",

  model: "model_name",
  model_name_or_path: "model_name",
  base_model: "model_name",
  name_or_path: "model_name",
  revision: "model_revision",
  model_max_length: "max_seq_length",
  max_length: "max_seq_length",
  cutoff_len: "max_seq_length",
  block_size: "max_seq_length",
  sequence_len: "max_seq_length",
  seq_length: "max_seq_length",
  adapter_path: "adapter_name_or_path",
  adapter_name: "adapter_name_or_path",
  lora_model_dir: "adapter_name_or_path",
  use_gradient_checkpointing: "gradient_checkpointing",

  use_peft: "peft_enabled",
  peft: "peft_enabled",
  lora: "peft_enabled",
  use_lora: "peft_enabled",
  lora_r: "lora_rank",
  rank: "lora_rank",
  r: "lora_rank",
  alpha: "lora_alpha",
  lora_target_modules: "target_modules",
  lora_targets: "target_modules",
  lora_target: "target_modules",
  rslora: "use_rslora",
  peft_use_rslora: "use_rslora",

  dataset: "dataset_name",
  hf_dataset: "dataset_name",
  dataset_path: "dataset_name",
  train_dataset: "dataset_name",
  eval_dataset: "eval_dataset_name",
  subset: "config_name",
  config: "config_name",
  dataset_config: "config_name",
  dataset_config_name: "config_name",
  dataset_split: "split",
  dataset_train_split: "split",
  field_mappings: "column_mapping",
  dataset_text_field: "text_column",
  system: "system_prompt",
  num_samples_used: "max_samples",
  max_train_samples: "max_samples",
  val_size: "val_split_ratio",
  val_set_size: "val_split_ratio",
  validation_split: "val_split_ratio",
  test_size: "test_split_ratio",
  preprocess_fn: "processing_fn",
  preprocessing_fn: "processing_fn",
  formatting_func: "processing_fn",

  per_device_batch_size: "batch_size",
  per_device_train_batch_size: "batch_size",
  micro_batch_size: "batch_size",
  train_batch_size: "batch_size",
  per_device_eval_batch_size: "eval_batch_size",
  grad_accum: "gradient_accumulation_steps",
  grad_accumulation_steps: "gradient_accumulation_steps",
  gradient_accumulation: "gradient_accumulation_steps",
  epochs: "num_epochs",
  num_train_epochs: "num_epochs",
  lr: "learning_rate",
  optimizer: "optim",
  optimizer_type: "optim",
  scheduler: "lr_scheduler",
  lr_scheduler_type: "lr_scheduler",
  random_seed: "seed",
  gradient_clipping: "max_grad_norm",
  max_gradient_norm: "max_grad_norm",
  warmup: "warmup_steps",
  adam_eps: "adam_epsilon",
  adamw_epsilon: "adam_epsilon",
  min_lr_rate: "min_lr_ratio",
  cosine_min_lr_ratio: "min_lr_ratio",
  sampling_strategy: "train_sampling_strategy",

  sample_packing: "packing",
  neftune_alpha: "neftune_noise_alpha",
  noisy_embedding_alpha: "neftune_noise_alpha",

  eval_interval: "eval_steps",
  evaluation_strategy: "eval_strategy",
  do_eval_every: "eval_steps",
  save_interval: "save_steps",
  checkpoint_steps: "save_steps",
  log_interval: "logging_steps",
  max_checkpoints: "save_total_limit",
  sample_logging_prompts: "sample_prompts",
  sample_logging_interval_steps: "sample_every",
  sample_logging_interval: "sample_every",
  sample_logging_max_new_tokens: "sample_max_new_tokens",
  sample_logging_temperature: "sample_temperature",
  sample_logging_top_p: "sample_top_p",
  output: "output_dir",
  output_path: "output_dir",
  name: "run_name",
  project_name: "run_name",
  experiment_name: "run_name",

  num_samples_per_prompt: "num_generations",
  num_return_sequences: "num_generations",
  num_sample_generations: "num_generations",
  group_size: "num_generations",
  max_new_tokens: "max_completion_length",
  response_length: "max_completion_length",
  max_target_length: "max_completion_length",
  max_response_length: "max_completion_length",
  clip_epsilon: "epsilon",
  epsilon_low: "epsilon",
  cliprange_high: "epsilon_high",
  clip_high: "epsilon_high",
  grpo_beta: "beta",
  pref_beta: "beta",
  dpo_beta: "beta",
  pref_loss: "loss_type",
  reward_function_weights: "reward_weights",
  kl_beta: "beta",
  gae_lambda: "lam",
  lambda: "lam",
  discount: "gamma",
  value_coef: "vf_coef",
  init_kl_coef: "kl_coef",
  mini_batches: "num_mini_batches",
  reward_model: "reward_model_name",
  reward_model_path: "reward_model_name",
};

/** Names that mean different settings in different methods. */
const BY_METHOD: Readonly<Record<"sft" | "dpo" | "ppo" | "group", Readonly<Record<string, string>>>> = {
  sft: { label_smoothing: "label_smoothing_factor" },
  dpo: { label_smoothing_factor: "label_smoothing" },
  ppo: {
    beta: "kl_coef",
    grpo_beta: "kl_coef",
    kl_beta: "kl_coef",
    epsilon: "cliprange",
    clip_epsilon: "cliprange",
    clip_range: "cliprange",
    num_iterations: "num_ppo_epochs",
    ppo_epochs: "num_ppo_epochs",
  },
  group: {
    kl_coef: "beta",
    init_kl_coef: "beta",
    cliprange: "epsilon",
    clip_range: "epsilon",
    num_ppo_epochs: "num_iterations",
    ppo_epochs: "num_iterations",
    soft_punish_cache: "overlong_buffer",
  },
};

/** Names that mean something else inside a section. */
const IN_SECTION: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  recipe: { name: "description" },
  model: { name: "model_name", path: "model_name", quantization: "quantization" },
  dataset: {
    name: "dataset_name",
    path: "dataset_name",
    name_or_path: "dataset_name",
    subset: "config_name",
    config: "config_name",
    eval: "eval_dataset_name",
    weight: "dataset_weight",
    type: "format_type",
    format: "format_type",
    processing_fn: "processing_fn",
  },
  lora: { dropout: "lora_dropout", alpha: "lora_alpha", enabled: "peft_enabled" },
  sample_logging: {
    enabled: "enable_sample_logging",
    num_samples: "sample_logging_num_samples",
    prompts: "sample_prompts",
    interval_steps: "sample_every",
    max_new_tokens: "sample_max_new_tokens",
    temperature: "sample_temperature",
    top_p: "sample_top_p",
  },
};

/** Names of mappings that only hold settings, and the section that they are. */
export const SECTIONS: Readonly<Record<string, string>> = {
  config: "top",
  recipe: "recipe",
  params: "top",
  settings: "top",
  model: "model",
  dataset: "dataset",
  datasets: "dataset",
  data: "dataset",
  train: "train",
  training: "train",
  trl: "train",
  grpo: "train",
  dpo: "train",
  ppo: "train",
  sft: "train",
  evaluation: "evaluation",
  logging: "logging",
  checkpointing: "logging",
  lora: "lora",
  lora_config: "lora",
  peft: "lora",
  peft_config: "lora",
  sample_logging: "sample_logging",
  lr_scheduler_kwargs: "train",
  generation_kwargs: "generation",
  generation: "generation",
  optimizer: "train",
  algo: "top",
};

/** What a name in a file means. */
export type Meaning =
  | { readonly kind: "setting"; readonly key: string }
  | { readonly kind: "conversion"; readonly convert: Conversion }
  | { readonly kind: "unused"; readonly why: string };

const method = (algorithm: Algorithm): keyof typeof BY_METHOD =>
  isGroupAlgorithm(algorithm) ? "group" : (algorithm as "sft" | "dpo" | "ppo");

const get = (table: Readonly<Record<string, string>> | undefined, name: string): string | undefined =>
  table && Object.hasOwn(table, name) ? table[name] : undefined;

/** A key as the tables have it: `Batch-Size` and `batch_size` are one. */
export const plainName = (name: string): string =>
  name.trim().replace(/^--/, "").replaceAll("-", "_").toLowerCase();

/** Names that are too common to be understood anywhere but at the top. */
const TOP_ONLY = new Set(["type", "method", "stage", "trainer", "rl", "task"]);

function settingOf(name: string, algorithm: Algorithm): string | undefined {
  const own = BY_METHOD[method(algorithm)];
  if (Object.hasOwn(fieldsOf(algorithm), name)) return name;
  const key = get(own, name) ?? (ALL_KEYS.includes(name) ? name : get(ALIASES, name));
  return key === undefined || Object.hasOwn(fieldsOf(algorithm), key) ? key : (get(own, key) ?? key);
}

/** What a name means in a section for an algorithm; undefined when nothing knows it. */
export function meaningOf(written: string, section: string, algorithm: Algorithm): Meaning | undefined {
  const plain = plainName(written);
  const name = get(IN_SECTION[section], plain) ?? plain;
  const convert = Object.hasOwn(CONVERSIONS, name) ? CONVERSIONS[name] : undefined;
  const elsewhere = TOP_ONLY.has(name) && section !== "top" && section !== "recipe";
  if (convert && !elsewhere) return { kind: "conversion", convert };
  const key = elsewhere ? undefined : settingOf(name, algorithm);
  if (key !== undefined) return { kind: "setting", key };
  const why = whyNotUsed(name, section);
  return why === undefined ? undefined : { kind: "unused", why };
}

/** Every name that means something, for suggestions. */
export const knownNames = (algorithm: Algorithm): readonly string[] => [
  ...Object.keys(fieldsOf(algorithm)),
  ...ALL_KEYS,
  ...Object.keys(ALIASES).filter((name) => name.length > 3),
];
