import type { DpoConfig, GroupConfig, RunConfig, SftConfig } from "../config/fields.ts";
import { warmupSteps } from "../trainer/schedule.ts";

type Values = Record<string, unknown>;

/** What a run is in TRL's words. Made for trl 1.13 and transformers 5.18. */
export interface TrlArguments {
  readonly trainer: "sft" | "dpo" | "grpo";
  /** Of SFTConfig, DPOConfig or GRPOConfig; `batch_size` is that of one process. */
  readonly values: Readonly<Values>;
  /** Patience and threshold of EarlyStoppingCallback. */
  readonly earlyStopping: { readonly patience: number; readonly threshold: number } | null;
  /** What TRL does not have: said to the person, with the difference that it makes. */
  readonly notes: readonly string[];
}

/** Undefined for PPO, which trl 1.13 has not. */
export function trlArguments(config: RunConfig, totalSteps: number): TrlArguments | undefined {
  const notes: string[] = [];
  const early = config.early_stopping_patience;
  const rest = {
    earlyStopping: early === null ? null : { patience: early, threshold: config.early_stopping_threshold },
    notes,
  };
  const common = commonValues(config, totalSteps);
  switch (config.algorithm) {
    case "sft":
      return { trainer: "sft", values: { ...common, ...sftValues(config) }, ...rest };
    case "dpo":
      return { trainer: "dpo", values: { ...common, ...dpoValues(config, notes) }, ...rest };
    case "ppo":
      return undefined;
    default:
      return { trainer: "grpo", values: { ...common, ...groupValues(config, notes) }, ...rest };
  }
}

function commonValues(config: RunConfig, totalSteps: number): Values {
  return {
    batch_size: config.batch_size,
    gradient_accumulation_steps: config.gradient_accumulation_steps,
    per_device_eval_batch_size: config.eval_batch_size,
    num_train_epochs: config.num_epochs,
    max_steps: config.max_steps ?? -1,
    learning_rate: config.learning_rate,
    ...schedule(config, totalSteps),
    warmup_steps: warmupSteps(totalSteps, config.warmup_steps ?? undefined, config.warmup_ratio),
    optim: config.optim === "adamw_8bit" ? "adamw_bnb_8bit" : "adamw_torch",
    weight_decay: config.weight_decay,
    adam_beta1: config.adam_beta1,
    adam_beta2: config.adam_beta2,
    adam_epsilon: config.adam_epsilon,
    max_grad_norm: config.max_grad_norm,
    gradient_checkpointing: config.gradient_checkpointing ?? false,
    train_sampling_strategy: config.train_sampling_strategy,
    seed: config.seed,
    data_seed: config.data_seed,
    logging_steps: config.logging_steps,
    eval_strategy: config.eval_strategy,
    ...(config.eval_strategy === "steps" && { eval_steps: config.eval_steps }),
    save_strategy: config.save_strategy,
    save_steps: config.save_steps,
    save_total_limit: config.save_total_limit,
    load_best_model_at_end: config.load_best_model_at_end,
    metric_for_best_model: config.metric_for_best_model,
    greater_is_better: config.greater_is_better,
  };
}

/** The schedule under its name in transformers, with what it takes. */
function schedule(config: RunConfig, totalSteps: number): Values {
  const { lr_scheduler: name, num_cycles, min_lr_ratio: floor } = config;
  const named = (lr_scheduler_type: string, lr_scheduler_kwargs: Values = {}) => ({
    lr_scheduler_type,
    lr_scheduler_kwargs,
  });
  switch (name) {
    case "cosine":
      return floor > 0
        ? named("cosine_with_min_lr", { num_cycles, min_lr_rate: floor })
        : named(name, { num_cycles });
    case "cosine_with_restarts":
      return named(name, { num_cycles });
    case "polynomial":
      return named(name, { lr_end: config.lr_end, power: config.power });
    case "warmup_stable_decay":
      return named(name, {
        num_decay_steps: config.num_decay_steps ?? Math.ceil(totalSteps / 10),
        min_lr_ratio: floor,
      });
    default:
      return named(name);
  }
}

function sftValues(config: SftConfig): Values {
  return {
    max_length: config.max_seq_length,
    loss_type: config.loss_type,
    completion_only_loss: config.completion_only_loss,
    assistant_only_loss: config.assistant_only_loss,
    label_smoothing_factor: config.label_smoothing_factor,
    neftune_noise_alpha: config.neftune_noise_alpha,
    packing: config.packing,
    packing_strategy: config.packing_strategy,
    eval_packing: false,
  };
}

function dpoValues(config: DpoConfig, notes: string[]): Values {
  if (config.reference_free)
    notes.push(
      "reference_free: TRL has no such setting, so the script compares with the model as it begins.",
    );
  // What rpo_alpha adds is the loss of the chosen answer.
  const withSft = config.rpo_alpha !== null;
  return {
    max_length: config.max_seq_length,
    beta: config.beta,
    loss_type: withSft ? [...config.loss_type, "sft"] : config.loss_type,
    loss_weights: withSft
      ? [...(config.loss_weights ?? config.loss_type.map(() => 1)), config.rpo_alpha]
      : config.loss_weights,
    label_smoothing: config.label_smoothing,
    f_divergence_type: config.f_divergence_type,
    f_alpha_divergence_coef: config.f_alpha_divergence_coef,
    discopop_tau: config.discopop_tau,
    ld_alpha: config.ld_alpha,
    use_weighting: config.use_weighting,
    precompute_ref_log_probs: config.precompute_ref_log_probs,
    ...movingReference(config),
  };
}

const movingReference = (config: DpoConfig | GroupConfig): Values => ({
  sync_ref_model: config.sync_ref_model,
  ref_model_mixup_alpha: config.ref_model_mixup_alpha,
  ref_model_sync_steps: config.ref_model_sync_steps,
});

function groupValues(config: GroupConfig, notes: string[]): Values {
  if (config.dynamic_sampling)
    notes.push(
      "dynamic_sampling: TRL does not sample again, so groups of equal rewards teach nothing there.",
    );
  notes.push(
    `max_prompt_length (${config.max_prompt_length}): TRL does not cut prompts; longer ones stay whole there.`,
  );
  return {
    num_generations: config.num_generations,
    steps_per_generation: config.steps_per_generation,
    max_completion_length: config.max_completion_length,
    temperature: config.temperature,
    top_p: config.top_p,
    top_k: config.top_k,
    min_p: config.min_p,
    repetition_penalty: config.repetition_penalty,
    num_iterations: config.num_iterations,
    loss_type: config.loss_type,
    importance_sampling_level: config.importance_sampling_level,
    scale_rewards: config.scale_rewards,
    multi_objective_aggregation: config.multi_objective_aggregation,
    beta: config.beta,
    epsilon: config.epsilon,
    epsilon_high: config.epsilon_high,
    delta: config.delta,
    use_bias_correction_kl: config.use_bias_correction_kl,
    mask_truncated_completions: config.mask_truncated_completions,
    entropy_coef: config.entropy_coef,
    top_entropy_quantile: config.top_entropy_quantile,
    off_policy_mask_threshold: config.off_policy_mask_threshold,
    // Old and new log-probabilities are of one model without noise, as here.
    disable_dropout: true,
    shuffle_dataset: config.train_sampling_strategy !== "sequential",
    ...(config.enable_thinking !== null && {
      chat_template_kwargs: { enable_thinking: config.enable_thinking },
    }),
    ...movingReference(config),
  };
}
