import * as z from "zod/mini";
import { automatic, integer, make, nullable, number, numbers, text } from "../field.ts";
import { type RewardSpec, rewardSpec } from "../rewards.ts";

/** What all methods with rewards share: where answers come from and what they are worth. */
export const rolloutFields = {
  dataset_name: nullable(
    text("openai/gsm8k", {
      label: "Dataset",
      help: "Prompts: a Hugging Face dataset id, the name of an embedded dataset, or a file (JSONL, JSON, CSV, Parquet, text).",
      group: "data",
      basic: true,
      placeholder: "owner/name",
    }),
    "Not chosen yet. It may stay empty only when rollouts_path is given.",
  ),
  rollouts_path: nullable(
    text("./rollouts.jsonl", {
      label: "Recorded rollouts",
      help: "Trains on answers and rewards from this file, line by line, instead of generating and scoring.",
      group: "data",
    }),
    "Answers are generated.",
  ),
  rewards: make<readonly RewardSpec[]>(
    [{ type: "accuracy", weight: 1, params: {} }],
    {
      label: "Rewards",
      help: "What an answer is worth: the sum of each reward's value times its weight.",
      group: "rewards",
      basic: true,
    },
    { kind: "rewards" },
    z.array(rewardSpec).check(z.minLength(1)),
  ),
  reward_weights: nullable(
    numbers([1], {
      label: "Reward weights",
      help: "Weights in the order of the rewards, in place of each reward's own.",
      group: "rewards",
    }),
    "Each reward's own weight.",
  ),
  max_completion_length: integer(256, {
    label: "Longest answer",
    help: "Most tokens that are generated for one answer.",
    group: "sampling",
    basic: true,
    min: 1,
    max: 131072,
    unit: "tokens",
  }),
  max_prompt_length: automatic(
    integer(256, {
      label: "Longest prompt",
      help: "Prompts keep their last tokens, at most this many.",
      group: "sampling",
      min: 1,
      max: 131072,
      unit: "tokens",
    }),
    "max_seq_length less max_completion_length.",
  ),
  temperature: number(1, {
    label: "Temperature",
    help: "Spread of the generated answers; the loss uses the same temperature.",
    group: "sampling",
    basic: true,
    above: 0,
    max: 100,
    step: 0.1,
  }),
  top_p: number(1, {
    label: "Top-p",
    help: "Draws from the likeliest tokens that make up this share; 1 is off.",
    group: "sampling",
    above: 0,
    max: 1,
    step: 0.05,
  }),
  top_k: integer(0, {
    label: "Top-k",
    help: "Draws from this many of the likeliest tokens; 0 is off.",
    group: "sampling",
    max: 1000000,
  }),
  min_p: number(0, {
    label: "Min-p",
    help: "Leaves out tokens less likely than this share of the likeliest; 0 is off.",
    group: "sampling",
    max: 1,
    step: 0.01,
  }),
  repetition_penalty: number(1, {
    label: "Repetition penalty",
    help: "Makes tokens that have already appeared less likely; 1 is off.",
    group: "sampling",
    above: 0,
    max: 100,
    step: 0.05,
  }),
};
