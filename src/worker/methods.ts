import type { Algorithm } from "../config/algorithm.ts";
import type { AlgorithmInfo, HeroChart } from "../protocol/catalog.ts";

/** What people are told of each method: one line, the data it needs, what to watch. The form comes from its fields. */
type Method = Omit<AlgorithmInfo, "id" | "label" | "fields">;

const REWARD_NEEDS = "prompts, and rewards that score the answers.";

const GROUP_HERO: readonly HeroChart[] = [
  {
    title: "Reward",
    metrics: [
      { metric: "reward", title: "Reward", better: "higher", spread: "reward_std" },
      { metric: "eval_reward", title: "Held-out reward", better: "higher" },
    ],
  },
  {
    title: "Length of answers",
    unit: "tokens",
    metrics: [{ metric: "completions/mean_length", title: "Mean length", better: "neither" }],
  },
];

const GROUP_COACH =
  "Reward should go up. Watch it and not the loss: a loss that starts near 0 and rises is normal here.";

const group = (summary: string, paper: string): Method => ({
  ...{ summary, paper, data: "prompts", needs: REWARD_NEEDS, hero: GROUP_HERO, coach: GROUP_COACH },
});

export const METHODS: Readonly<Record<Algorithm, Method>> = {
  sft: {
    summary: "Imitates the answers in your data.",
    paper: "https://arxiv.org/abs/2203.02155",
    data: "examples",
    needs: "prompts with answers, conversations, or plain text.",
    hero: [
      {
        title: "Loss",
        metrics: [
          { metric: "loss", title: "Loss", better: "lower" },
          { metric: "eval_loss", title: "Held-out loss", better: "lower" },
        ],
      },
    ],
    coach: "Loss should go down. It measures how surprised the model is by the examples.",
  },
  dpo: {
    summary: "Of two answers, makes the preferred one likelier and the other less likely.",
    paper: "https://arxiv.org/abs/2305.18290",
    data: "pairs",
    needs: "prompts with a chosen and a rejected answer each.",
    hero: [
      {
        title: "Pairs in the right order",
        metrics: [
          { metric: "rewards/accuracies", title: "Pairs in order", better: "higher" },
          { metric: "eval_rewards/accuracies", title: "Held-out pairs", better: "higher" },
        ],
      },
      {
        title: "Margin",
        unit: "chosen over rejected",
        metrics: [
          { metric: "rewards/margins", title: "Margin", better: "higher" },
          { metric: "eval_rewards/margins", title: "Held-out margin", better: "higher" },
        ],
      },
    ],
    coach:
      "The share of pairs in which the model has come to prefer the chosen answer should go up towards 1, and the margin with it.",
  },
  ppo: {
    summary: "Learns from rewards with a second model that predicts them token by token.",
    paper: "https://arxiv.org/abs/1707.06347",
    data: "prompts",
    needs: REWARD_NEEDS,
    hero: [
      {
        title: "Reward less KL",
        metrics: [
          { metric: "objective/rlhf_reward", title: "Reward less KL", better: "higher" },
          { metric: "objective/scores", title: "Score alone", better: "higher" },
        ],
      },
      {
        title: "KL to the reference",
        unit: "nats an answer",
        metrics: [{ metric: "objective/kl", title: "KL", better: "neither" }],
      },
    ],
    coach:
      "Reward should keep going up, while the distance from the reference grows slowly. The loss says little here.",
  },
  grpo: group(
    "Tries several answers to each prompt and reinforces the better ones.",
    "https://arxiv.org/abs/2402.03300",
  ),
  gspo: group(
    "GRPO that compares the new and the old model by whole answers instead of single tokens.",
    "https://arxiv.org/abs/2507.18071",
  ),
  dapo: group(
    "GRPO that resamples prompts without a signal and lets rare words gain more.",
    "https://arxiv.org/abs/2503.14476",
  ),
  dr_grpo: group(
    "GRPO without its pull towards long answers and towards questions of a certain difficulty.",
    "https://arxiv.org/abs/2503.20783",
  ),
};

/** The metric that says how a run of this method goes; the loss for a method that is not known any more. */
export const headlineOf = (algorithm: string): string =>
  (Object.hasOwn(METHODS, algorithm)
    ? METHODS[algorithm as Algorithm].hero[0]?.metrics[0]?.metric
    : undefined) ?? "loss";
