import * as z from "zod/mini";
import { flag, integer, make, number } from "../field.ts";

/** The adapter that is trained. */
export const loraFields = {
  peft_enabled: flag(true, {
    label: "Train an adapter",
    help: "Trains a small LoRA adapter and leaves the model alone; off trains all weights, which needs several times the memory.",
    group: "lora",
    basic: true,
  }),
  lora_rank: integer(16, {
    label: "LoRA rank",
    help: "Width of the adapter: more can learn more and costs more memory.",
    group: "lora",
    basic: true,
    min: 1,
    max: 1024,
  }),
  lora_alpha: integer(32, {
    label: "LoRA alpha",
    help: "The adapter's output is scaled by alpha / rank (rsLoRA: alpha / square root of rank).",
    group: "lora",
    min: 1,
    max: 65536,
  }),
  lora_dropout: number(0, {
    label: "LoRA dropout",
    help: "Share of the adapter's inputs set to zero in training; used in SFT only.",
    group: "lora",
    max: 0.99,
    step: 0.05,
  }),
  target_modules: make<string | readonly string[]>(
    "all-linear",
    {
      label: "Adapted layers",
      help: "all-linear, a list of layer names such as q_proj and v_proj, or one regular expression over full names.",
      group: "lora",
      spellings: { all: "all-linear", all_linear: "all-linear", "all linear": "all-linear" },
    },
    { kind: "list", single: true, placeholder: "all-linear" },
    z.union([
      z.string().check(z.minLength(1)),
      z.array(z.string().check(z.minLength(1))).check(z.minLength(1)),
    ]),
  ),
  use_rslora: flag(false, {
    label: "Rank-stabilised LoRA",
    help: "Scales by alpha / square root of rank, so that large ranks learn as fast as small ones.",
    group: "lora",
  }),
};
