import type { Algorithm } from "./algorithm.ts";
import type { CommonConfig, DpoConfig, GroupConfig, PpoConfig, SftConfig } from "./fields.ts";
import { REWARD_MODEL } from "./rewards.ts";

/** What a rule has against a configuration: the setting to change, and what is wrong with it. */
export interface Finding {
  readonly key: string;
  readonly message: string;
  /** A note tells what will happen; it does not stop the run. */
  readonly note?: true;
}

export type IsGiven = (key: string) => boolean;
type Rule<C> = (config: C, isGiven: IsGiven) => Finding | undefined | false;

const EVALUATES_WHEN = 'Set eval_strategy to "steps" or "epoch".';

const IN_MEMORY = "a stream knows them as they come. Set streaming to false, or";

const commonRules: readonly Rule<CommonConfig & { readonly algorithm: Algorithm }>[] = [
  (c) =>
    c.dataset_weight !== 1 &&
    c.more_datasets.length === 0 && {
      key: "dataset_weight",
      message: "dataset_weight has no effect with a single dataset; percent takes a share of its rows.",
      note: true,
    },
  (c) =>
    c.percent !== null &&
    c.percent < 1 && {
      key: "percent",
      message: `percent counts to 100: ${c.percent} takes ${c.percent}% of the rows. For that share of all rows write ${Number((c.percent * 100).toFixed(6))}.`,
      note: true,
    },
  (c) =>
    c.val_split_ratio + c.test_split_ratio >= 1 && {
      key: "val_split_ratio",
      message: `val_split_ratio and test_split_ratio together hold out ${c.val_split_ratio + c.test_split_ratio} of the rows, which leaves none to learn from. Keep their sum below 1.`,
    },
  (c) =>
    !c.peft_enabled &&
    c.load_in_4bit === true && {
      key: "load_in_4bit",
      message:
        "load_in_4bit holds the base weights in 4 bit, where they cannot be trained. Set peft_enabled to true, or load_in_4bit to false.",
    },
  (c) =>
    !c.peft_enabled &&
    c.adapter_name_or_path !== null && {
      key: "adapter_name_or_path",
      message:
        "adapter_name_or_path starts from an adapter, but peft_enabled is false. Set peft_enabled to true, or leave the adapter out.",
    },
  (c) =>
    c.streaming === true &&
    c.train_sampling_strategy === "group_by_length" && {
      key: "streaming",
      message: `group_by_length sorts rows by the lengths of all of them, and ${IN_MEMORY} train_sampling_strategy to random.`,
    },
  (c) =>
    c.streaming === true &&
    c.more_datasets.length > 0 && {
      key: "streaming",
      message: `Several datasets are mixed row by row, and ${IN_MEMORY} train on one dataset.`,
    },
  (c) =>
    c.load_best_model_at_end &&
    c.eval_strategy === "no" && {
      key: "load_best_model_at_end",
      message: `load_best_model_at_end needs evaluations to know what is best. ${EVALUATES_WHEN}`,
    },
  (c) =>
    c.load_best_model_at_end &&
    c.eval_strategy !== "no" &&
    c.save_strategy !== c.eval_strategy && {
      key: "save_strategy",
      message: `load_best_model_at_end keeps a checkpoint of every evaluation, so save_strategy (${c.save_strategy}) must be the same as eval_strategy (${c.eval_strategy}).`,
    },
  (c) =>
    c.load_best_model_at_end &&
    c.eval_strategy === "steps" &&
    c.save_strategy === "steps" &&
    c.save_steps % c.eval_steps !== 0 && {
      key: "save_steps",
      message: `load_best_model_at_end needs save_steps (${c.save_steps}) to be a multiple of eval_steps (${c.eval_steps}), so that every checkpoint has been evaluated.`,
    },
  (c) =>
    c.early_stopping_patience !== null &&
    c.eval_strategy === "no" && {
      key: "early_stopping_patience",
      message: `early_stopping_patience counts evaluations, and there are none. ${EVALUATES_WHEN}`,
    },
  (c) =>
    c.lr_scheduler === "polynomial" &&
    c.lr_end >= c.learning_rate && {
      key: "lr_end",
      message: `The polynomial schedule falls from learning_rate (${c.learning_rate}) to lr_end (${c.lr_end}), which must be smaller.`,
    },
  (c) =>
    c.lr_scheduler === "warmup_stable_decay" &&
    c.max_steps !== null &&
    (c.warmup_steps ?? Math.ceil(c.max_steps * c.warmup_ratio)) + (c.num_decay_steps ?? 0) > c.max_steps && {
      key: "num_decay_steps",
      message: `The warm-up and num_decay_steps (${c.num_decay_steps}) together are longer than the run (${c.max_steps} steps). Shorten one of them.`,
    },
  (c, isGiven) =>
    c.warmup_steps !== null &&
    isGiven("warmup_ratio") && {
      key: "warmup_ratio",
      message: `warmup_steps (${c.warmup_steps}) is given as well and wins over warmup_ratio.`,
      note: true,
    },
  (c, isGiven) =>
    c.max_steps !== null &&
    isGiven("num_epochs") && {
      key: "num_epochs",
      message: `max_steps (${c.max_steps}) is given as well and wins over num_epochs.`,
      note: true,
    },
  (c) =>
    c.max_steps !== null &&
    c.warmup_steps !== null &&
    c.warmup_steps >= c.max_steps && {
      key: "warmup_steps",
      message: `The warm-up (${c.warmup_steps} steps) is as long as the run (${c.max_steps} steps), so the learning rate never reaches its peak.`,
      note: true,
    },
  (c, isGiven) =>
    c.lr_scheduler === "constant" &&
    (isGiven("warmup_steps") || isGiven("warmup_ratio")) && {
      key: isGiven("warmup_steps") ? "warmup_steps" : "warmup_ratio",
      message: "The constant schedule has no warm-up. Use constant_with_warmup for one.",
      note: true,
    },
  (c, isGiven) => {
    if (c.peft_enabled) return undefined;
    const key = ["lora_rank", "lora_alpha", "lora_dropout", "target_modules", "use_rslora"].find(isGiven);
    return (
      key !== undefined && {
        key,
        message: `${key} has no effect, because peft_enabled is false.`,
        note: true,
      }
    );
  },
  (c) =>
    c.forward_batch_size !== null &&
    c.forward_batch_size > c.batch_size && {
      key: "forward_batch_size",
      message: `forward_batch_size (${c.forward_batch_size}) is larger than batch_size (${c.batch_size}), so it splits nothing.`,
      note: true,
    },
  (c) =>
    c.lora_dropout > 0 &&
    c.algorithm !== "sft" && {
      key: "lora_dropout",
      message:
        "lora_dropout is used in SFT only: elsewhere the model is compared with itself, which dropout would blur.",
      note: true,
    },
];

const sftRules: readonly Rule<SftConfig>[] = [
  (c) =>
    c.task_type === "text_generation" &&
    (c.completion_only_loss === true || c.assistant_only_loss) && {
      key: c.assistant_only_loss ? "assistant_only_loss" : "completion_only_loss",
      message:
        "Whole texts (task_type text_generation) have no answer to learn alone. Choose another task_type, or learn all tokens.",
    },
  (c) =>
    c.packing &&
    c.packing_strategy === "wrapped" &&
    (c.assistant_only_loss || c.completion_only_loss === true) && {
      key: "packing_strategy",
      message:
        "packing_strategy wrapped cuts rows anywhere, so that answers lose their prompts; with assistant_only_loss or completion_only_loss use bfd.",
    },
  (c) =>
    c.streaming === true &&
    c.packing && {
      key: "streaming",
      message: `packing fits rows together by the lengths of all of them, and ${IN_MEMORY} packing to false.`,
    },
  (c, isGiven) =>
    !c.packing &&
    isGiven("packing_strategy") && {
      key: "packing_strategy",
      message: "packing_strategy has no effect, because packing is false.",
      note: true,
    },
];

const PLAIN_RATIO_LOSSES = [
  "nca_pair",
  "bco_pair",
  "sppo_hard",
  "apo_zero",
  "apo_down",
  "aot",
  "aot_unpaired",
];

const dpoRules: readonly Rule<DpoConfig>[] = [
  (c) =>
    c.loss_weights !== null &&
    c.loss_weights.length !== c.loss_type.length && {
      key: "loss_weights",
      message: `loss_weights has ${c.loss_weights.length} entries and loss_type has ${c.loss_type.length}; each loss needs one weight.`,
    },
  (c) =>
    c.loss_type.includes("exo_pair") &&
    c.label_smoothing === 0 && {
      key: "label_smoothing",
      message: "The loss exo_pair is not defined for label_smoothing 0. Use a small value such as 0.001.",
    },
  (c) => {
    const loss = c.loss_type.find((name) => PLAIN_RATIO_LOSSES.includes(name));
    return (
      loss !== undefined &&
      c.f_divergence_type !== "reverse_kl" && {
        key: "f_divergence_type",
        message: `The loss ${loss} is defined for f_divergence_type reverse_kl only; here it is ${c.f_divergence_type}.`,
      }
    );
  },
  (c) =>
    c.use_weighting &&
    c.loss_type.some((name) => name.startsWith("aot")) && {
      key: "use_weighting",
      message:
        "use_weighting weighs pairs one by one, and the aot losses sort the batch. Turn one of them off.",
    },
  (c) =>
    c.streaming === true &&
    c.precompute_ref_log_probs && {
      key: "streaming",
      message: `precompute_ref_log_probs scores all rows before the first step, and ${IN_MEMORY} precompute_ref_log_probs to false.`,
    },
  (c) =>
    c.reference_free &&
    c.precompute_ref_log_probs && {
      key: "precompute_ref_log_probs",
      message: "reference_free has no reference to compute first. Turn one of them off.",
    },
];

const syncRules: readonly Rule<DpoConfig | GroupConfig>[] = [
  (c) =>
    c.sync_ref_model &&
    c.algorithm === "dpo" &&
    (c.precompute_ref_log_probs || c.reference_free) && {
      key: "sync_ref_model",
      message: `sync_ref_model moves the reference during training, and ${c.reference_free ? "reference_free has none" : "precompute_ref_log_probs uses it only before"}. Turn one of them off.`,
    },
  (c) =>
    c.sync_ref_model &&
    c.algorithm !== "dpo" &&
    c.beta === 0 && {
      key: "sync_ref_model",
      message: "sync_ref_model has no effect, because beta is 0: nothing is compared with the reference.",
      note: true,
    },
];

const rolloutRules: readonly Rule<GroupConfig | PpoConfig>[] = [
  (c) =>
    c.streaming === true &&
    c.rollouts_path !== null && {
      key: "streaming",
      message: "streaming has no effect with rollouts_path: recorded completions are read as a whole.",
      note: true,
    },
  (_, isGiven) =>
    isGiven("eval_batch_size") && {
      key: "eval_batch_size",
      message:
        "eval_batch_size has no effect with rewards: held-out prompts are answered as many at a time as those of a rollout.",
      note: true,
    },
  (c) =>
    c.max_completion_length >= c.max_seq_length && {
      key: "max_completion_length",
      message: `max_completion_length (${c.max_completion_length}) must be smaller than max_seq_length (${c.max_seq_length}), which holds prompt and answer together. Raise max_seq_length or shorten the answer.`,
    },
  (c) =>
    c.max_completion_length < c.max_seq_length &&
    c.max_prompt_length + c.max_completion_length > c.max_seq_length && {
      key: "max_prompt_length",
      message: `max_prompt_length (${c.max_prompt_length}) and max_completion_length (${c.max_completion_length}) together are longer than max_seq_length (${c.max_seq_length}). Set max_seq_length to ${c.max_prompt_length + c.max_completion_length}, or shorten one of them.`,
    },
  (c) =>
    c.reward_weights !== null &&
    c.reward_weights.length !== c.rewards.length && {
      key: "reward_weights",
      message: `reward_weights has ${c.reward_weights.length} entries and there are ${c.rewards.length} rewards; each reward needs one weight.`,
    },
  (c) => {
    const models = c.rewards.filter(({ type }) => type === REWARD_MODEL).length;
    return (
      models > 1 && {
        key: "rewards",
        message: `The rewards name ${REWARD_MODEL} ${models} times, and a run has one reward model. Keep one of them.`,
      }
    );
  },
  (c) =>
    c.rollouts_path === null &&
    c.rewards.some(({ type }) => type === REWARD_MODEL) &&
    (c.algorithm !== "ppo" || c.reward_model_name === null) && {
      key: "rewards",
      message:
        c.algorithm === "ppo"
          ? `The reward ${REWARD_MODEL} is the score of a model, and reward_model_name names none. Set reward_model_name, or leave the reward out.`
          : `The reward ${REWARD_MODEL} is the score of PPO's reward_model_name; this run is ${c.algorithm}. Leave the reward out, or set algorithm to ppo.`,
    },
  (c) =>
    c.rewards.every((reward) => reward.weight === 0) && {
      key: "rewards",
      message: "Every reward has weight 0, so there is nothing to learn. Give at least one a weight.",
    },
  (c) => {
    const reward = c.rewards.find(
      ({ type, code, file }) => type === "custom" && code === undefined && file === undefined,
    );
    return (
      reward !== undefined &&
      c.rollouts_path === null && {
        key: "rewards",
        message:
          "A reward of type custom has no code. A configuration cannot carry a Python function: paste its source as code, or name it as rewards.py#my_reward.",
      }
    );
  },
  (c) => {
    const reward = c.rewards.find(
      ({ code }) => typeof code === "string" && /^\s*[\w./\\-]+(#\w*)?\s*$/.test(code),
    );
    return (
      reward !== undefined && {
        key: "rewards",
        message: `A reward names the function ${String(reward.code).trim()}, which a configuration cannot carry. Paste the function's code, or name its file and the function, as in rewards.py#my_reward (.py, .js, .mjs or .ts).`,
      }
    );
  },
];

const groupRules: readonly Rule<GroupConfig>[] = [
  (c) => {
    const rollout = c.batch_size * c.steps_per_generation;
    return (
      rollout % c.num_generations !== 0 && {
        key: "num_generations",
        message: `A rollout has ${rollout} completions (batch_size ${c.batch_size} x steps_per_generation ${c.steps_per_generation}), which does not divide into groups of num_generations (${c.num_generations}). Change one of them.`,
      }
    );
  },
  (c) =>
    c.delta !== null &&
    c.delta <= 1 + c.epsilon_high && {
      key: "delta",
      message: `delta (${c.delta}) must be more than 1 + epsilon_high (${1 + c.epsilon_high}), or it clips what epsilon_high allows.`,
    },
  (c) =>
    c.overlong_penalty &&
    c.overlong_buffer > c.max_completion_length && {
      key: "overlong_buffer",
      message: `overlong_buffer (${c.overlong_buffer}) is longer than max_completion_length (${c.max_completion_length}).`,
    },
  (c) =>
    c.rollouts_path !== null &&
    c.dynamic_sampling && {
      key: "dynamic_sampling",
      message:
        "dynamic_sampling generates again, and rollouts_path replaces generation. Turn dynamic_sampling off.",
    },
];

const ppoRules: readonly Rule<PpoConfig>[] = [
  (c) => {
    const rollout = c.batch_size * c.gradient_accumulation_steps;
    return (
      rollout % c.num_mini_batches !== 0 && {
        key: "num_mini_batches",
        message: `A rollout has ${rollout} completions (batch_size ${c.batch_size} x gradient_accumulation_steps ${c.gradient_accumulation_steps}), which num_mini_batches (${c.num_mini_batches}) does not divide.`,
      }
    );
  },
];

const run = <C>(rules: readonly Rule<C>[], config: C, isGiven: IsGiven): Finding[] =>
  rules.map((rule) => rule(config, isGiven)).filter((finding) => finding !== undefined && finding !== false);

/** All that is wrong with how the settings of a run go together, and all that is worth a note. */
export function checkRules(
  config: SftConfig | DpoConfig | GroupConfig | PpoConfig,
  isGiven: IsGiven,
): readonly Finding[] {
  const common = run(commonRules, config, isGiven);
  if (config.algorithm === "sft") return [...common, ...run(sftRules, config, isGiven)];
  if (config.algorithm === "dpo") {
    return [...common, ...run(dpoRules, config, isGiven), ...run(syncRules, config, isGiven)];
  }
  const rollout = run(rolloutRules, config, isGiven);
  if (config.algorithm === "ppo") return [...common, ...rollout, ...run(ppoRules, config, isGiven)];
  return [...common, ...rollout, ...run(groupRules, config, isGiven), ...run(syncRules, config, isGiven)];
}
