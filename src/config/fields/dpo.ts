import { choice, choices, flag, integer, nullable, number, numbers } from "../field.ts";

export const DPO_LOSSES = [
  "sigmoid",
  "hinge",
  "ipo",
  "sigmoid_norm",
  "exo_pair",
  "nca_pair",
  "robust",
  "bco_pair",
  "sppo_hard",
  "aot",
  "aot_unpaired",
  "apo_zero",
  "apo_down",
  "discopop",
  "sft",
] as const;

/** A reference that follows the policy. */
export const syncFields = {
  sync_ref_model: flag(false, {
    label: "Moving reference",
    help: "Every now and then moves the reference a part of the way to the model in training.",
    group: "training",
  }),
  ref_model_mixup_alpha: number(0.6, {
    label: "Part of the way",
    help: "New reference = this times the model in training, and the rest of the old reference.",
    group: "training",
    max: 1,
    step: 0.05,
  }),
  ref_model_sync_steps: integer(512, {
    label: "Steps between moves",
    help: "Optimizer steps from one move of the reference to the next.",
    group: "training",
    min: 1,
    max: 1000000,
  }),
};

/** Direct preference optimisation. */
export const dpoFields = {
  loss_type: choices(["sigmoid"], DPO_LOSSES, {
    label: "Loss",
    help: "sigmoid is DPO as published. Several losses may be named; they are added with loss_weights.",
    group: "loss",
    spellings: {
      dpo: "sigmoid",
      aot_pair: "aot",
      bco: "bco_pair",
      exo: "exo_pair",
      nca: "nca_pair",
      sppo: "sppo_hard",
    },
  }),
  loss_weights: nullable(
    numbers([1], {
      label: "Loss weights",
      help: "One weight for each loss of loss_type.",
      group: "loss",
    }),
    "1 each.",
  ),
  beta: number(0.1, {
    label: "Beta",
    help: "How strongly the model is held to its reference: smaller lets it move further.",
    group: "clipping",
    basic: true,
    above: 0,
    max: 1000,
  }),
  label_smoothing: number(0, {
    label: "Label smoothing",
    help: "The share of preferences believed to be wrong; robust, exo_pair, sigmoid and the aot losses use it.",
    group: "loss",
    max: 0.499,
    step: 0.01,
  }),
  f_divergence_type: choice("reverse_kl", ["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"], {
    label: "Divergence",
    help: "How the distance from the reference is measured.",
    group: "loss",
    spellings: { js: "js_divergence", alpha: "alpha_divergence", jensen_shannon: "js_divergence" },
  }),
  f_alpha_divergence_coef: number(0.5, {
    label: "Alpha of the divergence",
    help: "Only for alpha_divergence.",
    group: "loss",
    min: -100,
    max: 100,
  }),
  discopop_tau: number(0.05, {
    label: "DiscoPOP tau",
    help: "Temperature of the discopop loss.",
    group: "loss",
    above: 0,
    max: 100,
  }),
  ld_alpha: nullable(
    number(0.5, {
      label: "Length desensitisation",
      help: "Weight of the tokens beyond the shorter answer's length, 0 to 1.",
      group: "loss",
      max: 1,
    }),
    "Off: all tokens count fully.",
  ),
  rpo_alpha: nullable(
    number(1, {
      label: "RPO alpha",
      help: "Adds the cross-entropy of the chosen answer with this weight.",
      group: "loss",
      max: 1000,
    }),
    "Off.",
  ),
  use_weighting: flag(false, {
    label: "WPO weighting",
    help: "Weighs each pair by how likely the model finds it.",
    group: "loss",
  }),
  reference_free: flag(false, {
    label: "Without reference",
    help: "Treats the reference as equally sure of both answers.",
    group: "loss",
  }),
  precompute_ref_log_probs: flag(false, {
    label: "Compute the reference first",
    help: "Scores every pair with the reference once before training instead of in every step; the numbers are the same.",
    group: "training",
  }),
  ...syncFields,
};
