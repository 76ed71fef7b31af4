import { automatic, choice, flag, integer, nullable, number } from "../field.ts";
import { syncFields } from "./dpo.ts";

export const GROUP_LOSSES = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"] as const;

/** GRPO, GSPO, DAPO and Dr. GRPO. */
export const groupFields = {
  num_generations: automatic(
    integer(8, {
      label: "Answers a prompt",
      help: "Completions that form a group; each is compared with the others of its group.",
      group: "sampling",
      basic: true,
      min: 2,
      max: 4096,
    }),
    "8, or batch_size when that is smaller.",
  ),
  steps_per_generation: automatic(
    integer(1, {
      label: "Micro-batches a rollout",
      help: "A rollout is this many micro-batches of completions, generated at once.",
      group: "sampling",
      min: 1,
      max: 4096,
    }),
    "gradient_accumulation_steps; four times that for gspo, so that the ratio moves.",
  ),
  num_iterations: integer(1, {
    label: "Passes over a rollout",
    help: "How often each rollout is learned from before a new one is generated.",
    group: "sampling",
    min: 1,
    max: 1000,
  }),
  loss_type: choice("grpo", GROUP_LOSSES, {
    label: "Loss",
    help: "How token losses are averaged: grpo over answers, bnpo and dapo over tokens, dr_grpo by a constant length; the rest are other surrogates.",
    group: "loss",
    per: { dr_grpo: "dr_grpo", dapo: "dapo" },
    spellings: { drgrpo: "dr_grpo", "dr-grpo": "dr_grpo", bnpo_loss: "bnpo" },
  }),
  importance_sampling_level: choice("token", ["token", "sequence"], {
    label: "Ratio of",
    help: "Whether the new and old policy are compared token by token or by whole answer (GSPO).",
    group: "loss",
    per: { gspo: "sequence" },
  }),
  scale_rewards: choice("group", ["group", "batch", "none"], {
    label: "Scale advantages by",
    help: "Divides advantages by the standard deviation of the group or of the batch, or not at all (Dr. GRPO).",
    group: "loss",
    per: { dr_grpo: "none" },
    spellings: { true: "group", false: "none", std: "group", no: "none", yes: "group" },
  }),
  multi_objective_aggregation: choice("sum_then_normalize", ["sum_then_normalize", "normalize_then_sum"], {
    label: "Several rewards",
    help: "Whether rewards are summed and then compared within the group, or compared one by one and then summed.",
    group: "rewards",
  }),
  beta: number(0, {
    label: "Beta (KL)",
    help: "Weight of the distance from the reference model in the loss; 0 needs no reference.",
    group: "clipping",
    max: 1000,
    per: { grpo: 0.04 },
  }),
  epsilon: number(0.2, {
    label: "Clip below",
    help: "The ratio of new to old policy stops earning below 1 minus this.",
    group: "clipping",
    above: 0,
    max: 1000,
    per: { gspo: 3e-4 },
  }),
  epsilon_high: automatic(
    number(0.2, {
      label: "Clip above",
      help: "The ratio stops earning above 1 plus this.",
      group: "clipping",
      above: 0,
      max: 1000,
    }),
    "The same as epsilon; 0.28 for dapo, 0.0004 for gspo.",
  ),
  delta: nullable(
    number(2, {
      label: "Upper bound of the ratio",
      help: "Also limits the ratio of answers with negative advantage (two-sided clipping); more than 1 + epsilon_high.",
      group: "clipping",
      above: 0,
      max: 10000,
    }),
    "Off.",
  ),
  use_bias_correction_kl: flag(false, {
    label: "KL bias correction",
    help: "Multiplies the KL estimate by the ratio.",
    group: "clipping",
  }),
  mask_truncated_completions: flag(false, {
    label: "Leave out cut answers",
    help: "Answers that hit the length limit do not enter the loss.",
    group: "loss",
    per: { dapo: true },
  }),
  dynamic_sampling: flag(false, {
    label: "Dynamic sampling",
    help: "Groups whose answers all got the same reward teach nothing; they are sampled again.",
    group: "sampling",
    per: { dapo: true },
  }),
  dynamic_sampling_max_rounds: integer(3, {
    label: "Rounds of resampling",
    help: "Most further rounds that dynamic sampling takes for one rollout.",
    group: "sampling",
    min: 1,
    max: 100,
  }),
  overlong_penalty: flag(false, {
    label: "Soft overlong penalty",
    help: "Lowers the reward of answers that come close to the length limit, down to -1 at the limit.",
    group: "rewards",
    per: { dapo: true },
  }),
  overlong_buffer: automatic(
    integer(51, {
      label: "Overlong buffer",
      help: "The penalty begins this many tokens before the length limit.",
      group: "rewards",
      min: 1,
      max: 131072,
      unit: "tokens",
    }),
    "A fifth of max_completion_length.",
  ),
  entropy_coef: number(0, {
    label: "Entropy bonus",
    help: "Weight of the entropy in the loss, against early certainty.",
    group: "loss",
    max: 10,
  }),
  top_entropy_quantile: number(1, {
    label: "Share of uncertain tokens",
    help: "Learns only from this share of the tokens, the least certain ones; 1 takes all.",
    group: "loss",
    above: 0,
    max: 1,
  }),
  off_policy_mask_threshold: nullable(
    number(0.05, {
      label: "Off-policy mask",
      help: "Leaves out answers with negative advantage that the model has moved away from by more than this.",
      group: "loss",
      above: 0,
      max: 1000,
    }),
    "Off.",
  ),
  ...syncFields,
};
