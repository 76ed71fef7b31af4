import { choice, flag, integer, nullable, number, text } from "../field.ts";

/** Proximal policy optimisation with a value model. */
export const ppoFields = {
  kl_coef: number(0.05, {
    label: "KL coefficient",
    help: "How much a token's distance from the reference lowers its reward.",
    group: "clipping",
    basic: true,
    max: 1000,
  }),
  kl_estimator: choice("k1", ["k1", "k3"], {
    label: "KL estimator",
    help: "k1 is unbiased; k3 is also never negative.",
    group: "clipping",
  }),
  kl_target: nullable(
    number(6, {
      label: "Adaptive KL",
      help: "Moves kl_coef after each rollout so that the distance of an answer from the reference stays near this.",
      group: "clipping",
      above: 0,
      max: 10000,
    }),
    "Off: kl_coef stays as it is.",
  ),
  kl_horizon: integer(10000, {
    label: "Adaptive KL horizon",
    help: "Answers over which kl_coef follows kl_target; only with kl_target.",
    group: "clipping",
    min: 1,
    max: 100000000,
  }),
  cliprange: number(0.2, {
    label: "Clip range",
    help: "The ratio of new to old policy stops earning outside 1 plus or minus this.",
    group: "clipping",
    above: 0,
    max: 1000,
  }),
  cliprange_value: number(0.2, {
    label: "Clip range of the value",
    help: "A new value estimate stops earning further than this from the old one.",
    group: "clipping",
    above: 0,
    max: 1000,
  }),
  vf_coef: number(0.1, {
    label: "Value loss weight",
    help: "Weight of the value model's loss beside the policy's.",
    group: "loss",
    max: 1000,
  }),
  gamma: number(1, {
    label: "Discount",
    help: "Discount of later rewards, per token.",
    group: "loss",
    above: 0,
    max: 1,
  }),
  lam: number(0.95, {
    label: "GAE lambda",
    help: "Between bias (0) and variance (1) of the advantage.",
    group: "loss",
    max: 1,
  }),
  whiten_rewards: flag(false, {
    label: "Whiten rewards",
    help: "Divides rewards by their standard deviation before advantages are formed.",
    group: "rewards",
  }),
  num_ppo_epochs: integer(4, {
    label: "Passes over a rollout",
    help: "How often each rollout is learned from before a new one is generated.",
    group: "sampling",
    min: 1,
    max: 1000,
  }),
  num_mini_batches: integer(1, {
    label: "Mini-batches",
    help: "Optimizer steps in one pass over a rollout.",
    group: "sampling",
    min: 1,
    max: 4096,
  }),
  missing_eos_penalty: nullable(
    number(1, {
      label: "Penalty for no end",
      help: "Subtracted from the score of an answer that does not come to its end.",
      group: "rewards",
      max: 1000,
    }),
    "None.",
  ),
  reward_model_name: nullable(
    text("owner/name", {
      label: "Reward model",
      help: "A sequence classification model of one label. Its score is one more reward, reward_model; where no rewards are given, the only one.",
      group: "rewards",
    }),
    "The rewards alone.",
  ),
};
