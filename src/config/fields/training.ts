import { automatic, choice, flag, integer, list, nullable, number, text } from "../field.ts";

/** How long, how large a step, and by which rule. */
export const trainingFields = {
  batch_size: integer(8, {
    label: "Batch size",
    help: "Rows of one micro-batch: examples, pairs (dpo) or completions (methods with rewards).",
    group: "training",
    basic: true,
    min: 1,
    max: 4096,
  }),
  gradient_accumulation_steps: integer(1, {
    label: "Gradient accumulation",
    help: "Micro-batches that make up one optimizer step; it multiplies the batch without more memory.",
    group: "training",
    min: 1,
    max: 4096,
  }),
  num_epochs: number(1, {
    label: "Epochs",
    help: "Passes over the data; max_steps wins when it is given.",
    group: "training",
    basic: true,
    above: 0,
    max: 10000,
  }),
  max_steps: nullable(
    integer(100, {
      label: "Steps",
      help: "Optimizer steps of the whole run. It wins over the number of epochs.",
      group: "training",
      basic: true,
      min: 1,
    }),
    "As many as the epochs take.",
  ),
  learning_rate: number(1e-5, {
    label: "Learning rate",
    help: "Size of a step at the peak of the schedule. LoRA usually wants 1e-5 to 2e-4; very small models want more.",
    group: "optimizer",
    basic: true,
    above: 0,
    max: 10,
  }),
  optim: choice("adamw", ["adamw", "adamw_8bit"], {
    label: "Optimizer",
    help: "AdamW; adamw_8bit holds its two moments in 8 bit, a quarter of their memory.",
    group: "optimizer",
    spellings: {
      adam: "adamw",
      adamw_torch: "adamw",
      adamw_torch_fused: "adamw",
      adamw_hf: "adamw",
      adamw_paged: "adamw",
      paged_adamw: "adamw",
      paged_adamw_32bit: "adamw",
      adamw_bnb_8bit: "adamw_8bit",
      paged_adamw_8bit: "adamw_8bit",
      adamw_8_bit: "adamw_8bit",
    },
  }),
  weight_decay: number(0, {
    label: "Weight decay",
    help: "Decoupled decay of the trained weights per step, times the learning rate.",
    group: "optimizer",
    max: 1,
  }),
  max_grad_norm: number(1, {
    label: "Gradient clipping",
    help: "Gradients are scaled down to this norm; 0 turns clipping off.",
    group: "optimizer",
    max: 1e6,
  }),
  adam_beta1: number(0.9, {
    label: "Adam beta 1",
    help: "Decay of the average of the gradient.",
    group: "optimizer",
    max: 0.9999999,
  }),
  adam_beta2: number(0.999, {
    label: "Adam beta 2",
    help: "Decay of the average of the squared gradient.",
    group: "optimizer",
    max: 0.9999999,
  }),
  adam_epsilon: number(1e-8, {
    label: "Adam epsilon",
    help: "Added to the root of the squared average, so that small gradients do not make large steps.",
    group: "optimizer",
    above: 0,
    max: 1,
  }),
  lr_scheduler: choice(
    "cosine",
    [
      "linear",
      "cosine",
      "cosine_with_restarts",
      "constant",
      "constant_with_warmup",
      "polynomial",
      "inverse_sqrt",
      "warmup_stable_decay",
    ],
    {
      label: "Schedule",
      help: "How the learning rate changes over the run, after the warm-up.",
      group: "schedule",
      spellings: {
        cosine_with_min_lr: "cosine",
        wsd: "warmup_stable_decay",
        cosine_restarts: "cosine_with_restarts",
      },
    },
  ),
  warmup_ratio: number(0.1, {
    label: "Warm-up share",
    help: "Share of the steps in which the learning rate rises from 0 to its peak.",
    group: "schedule",
    max: 1,
    step: 0.01,
  }),
  warmup_steps: nullable(
    integer(10, {
      label: "Warm-up steps",
      help: "Steps of the warm-up. When given, 0 included, it beats the share.",
      group: "schedule",
      unit: "steps",
    }),
    "By the warm-up share.",
  ),
  num_cycles: automatic(
    number(1, {
      label: "Cosine cycles",
      help: "Waves of the cosine schedules: 0.5 ends at the bottom of the first; restarts count whole waves.",
      group: "schedule",
      above: 0,
      max: 1000,
    }),
    "0.5 for cosine, 1 for cosine_with_restarts.",
  ),
  lr_end: number(1e-7, {
    label: "Final learning rate",
    help: "Where the polynomial schedule ends.",
    group: "schedule",
    max: 10,
  }),
  power: number(1, {
    label: "Power",
    help: "Power of the polynomial schedule.",
    group: "schedule",
    above: 0,
    max: 100,
  }),
  num_decay_steps: nullable(
    integer(10, {
      label: "Decay steps",
      help: "Steps of the final fall of warmup_stable_decay.",
      group: "schedule",
      min: 1,
      unit: "steps",
    }),
    "A tenth of the run.",
  ),
  min_lr_ratio: number(0, {
    label: "Lowest rate, as a share",
    help: "cosine and warmup_stable_decay end at this share of the learning rate.",
    group: "schedule",
    max: 1,
    step: 0.01,
  }),
};

/** When to look, when to keep, when to stop. */
export const evaluationFields = {
  eval_strategy: automatic(
    choice("steps", ["no", "steps", "epoch"], {
      label: "Evaluate",
      help: "When the held-out rows are evaluated during training.",
      group: "evaluation",
    }),
    "steps when eval_steps is given, otherwise no.",
  ),
  eval_steps: automatic(
    integer(50, {
      label: "Evaluate every",
      help: "Steps between two evaluations.",
      group: "evaluation",
      min: 1,
      unit: "steps",
    }),
    "The same as save_steps.",
  ),
  eval_batch_size: automatic(
    integer(8, {
      label: "Evaluation batch size",
      help: "Rows of one micro-batch in evaluation; it changes memory and time, not the numbers.",
      group: "evaluation",
      min: 1,
      max: 4096,
    }),
    "The same as batch_size.",
  ),
  load_best_model_at_end: flag(false, {
    label: "Keep the best",
    help: "The adapter at the end is the one of the best evaluation, not the last.",
    group: "evaluation",
  }),
  metric_for_best_model: text("eval_loss", {
    label: "Metric of the best",
    help: "The evaluation metric that decides which checkpoint is best.",
    group: "evaluation",
  }),
  greater_is_better: automatic(
    flag(false, {
      label: "Greater is better",
      help: "Whether a larger value of that metric is better.",
      group: "evaluation",
    }),
    "No for a metric whose name ends in loss, yes for others.",
  ),
  early_stopping_patience: nullable(
    integer(3, {
      label: "Stop early after",
      help: "The run ends after this many evaluations in a row without improvement.",
      group: "evaluation",
      min: 1,
      unit: "evaluations",
    }),
    "Never.",
  ),
  early_stopping_threshold: number(0, {
    label: "Least improvement",
    help: "A change smaller than this does not count as improvement.",
    group: "evaluation",
  }),
  logging_steps: integer(1, {
    label: "Log every",
    help: "Steps between two points of the charts and lines of metrics.jsonl.",
    group: "checkpoints",
    min: 1,
    unit: "steps",
  }),
  save_strategy: choice("steps", ["no", "steps", "epoch"], {
    label: "Save checkpoints",
    help: "When a checkpoint is kept from which the run can be continued; a run that is left is saved in any case.",
    group: "checkpoints",
  }),
  save_steps: integer(100, {
    label: "Save every",
    help: "Steps between two checkpoints.",
    group: "checkpoints",
    min: 1,
    unit: "steps",
  }),
  save_total_limit: nullable(
    integer(3, {
      label: "Checkpoints kept",
      help: "Older checkpoints than this many are deleted; the best one stays.",
      group: "checkpoints",
      min: 1,
    }),
    "All.",
  ),
  sample_every: integer(0, {
    label: "Sample answers every",
    help: "Steps between two rounds of sample answers during the run; 0 turns them off.",
    group: "samples",
    unit: "steps",
  }),
  sample_prompts: list([], {
    label: "Sample prompts",
    help: "Prompts that are answered in every round; without any, some held-out rows are used.",
    group: "samples",
  }),
  sample_max_new_tokens: integer(80, {
    label: "Length of sample answers",
    help: "Most tokens of a sample answer.",
    group: "samples",
    min: 1,
    max: 8192,
    unit: "tokens",
  }),
  sample_temperature: number(0, {
    label: "Temperature of sample answers",
    help: "0 takes the likeliest token, so that changes come from training alone.",
    group: "samples",
    max: 10,
  }),
  sample_top_p: number(1, {
    label: "Top-p of sample answers",
    help: "Sample answers are drawn from the likeliest tokens that make up this share.",
    group: "samples",
    above: 0,
    max: 1,
  }),
};
