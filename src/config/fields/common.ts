import { ALGORITHMS } from "../algorithm.ts";
import { choice, flag, integer, nullable, number, required, text } from "../field.ts";

/** What to train, with what, and how the weights are held. */
export const methodFields = {
  algorithm: choice("sft", ALGORITHMS, {
    label: "Method",
    help: "How the model learns: from examples (SFT), from preferences (DPO), or from rewards (PPO, GRPO, GSPO, DAPO, Dr. GRPO).",
    group: "method",
    basic: true,
  }),
  backend: choice("trl", ["trl", "unsloth", "auto"], {
    label: "Backend",
    help: "trl keeps the base weights in 16 or 32 bit; unsloth is the memory path with 4-bit base weights and recomputation; auto takes trl if it fits, with recomputation if it must, and unsloth if not.",
    group: "method",
    basic: true,
  }),
  model_name: required(
    text("Qwen/Qwen3-0.6B", {
      label: "Model",
      help: "A Hugging Face model id, the name of an embedded model, or a folder of the standard layout.",
      group: "model",
      basic: true,
      placeholder: "owner/name",
    }),
  ),
  model_revision: nullable(
    text("main", {
      label: "Model revision",
      help: "Branch, tag or commit of the model repository.",
      group: "model",
    }),
    "The repository's main branch.",
  ),
  adapter_name_or_path: nullable(
    text("./adapter", {
      label: "Start from adapter",
      help: "A PEFT adapter to continue from; the run's reference is then the model with this adapter as it was found.",
      group: "model",
    }),
    "A fresh adapter.",
  ),
  load_in_4bit: nullable(
    flag(true, {
      label: "4-bit base weights",
      help: "Holds the linear layers of the frozen model in NF4 with double quantisation: about a quarter of the memory, slightly less exact.",
      group: "model",
    }),
    "As the backend does: unsloth 4 bit, trl as stored, auto as memory requires.",
  ),
  gradient_checkpointing: nullable(
    flag(true, {
      label: "Recompute activations",
      help: "Keeps only each layer's input and computes the rest again in the backward pass: less memory, about a third more time, the same numbers.",
      group: "model",
    }),
    "On for unsloth; for trl and auto, as memory requires.",
  ),
  gpu_memory_gb: nullable(
    number(4, {
      label: "GPU memory to use",
      help: "A run that would take more is refused, or made to fit where a setting leaves that to the memory. Programs cannot ask a GPU how much it has.",
      group: "training",
      above: 0,
      max: 1024,
      step: 0.5,
      unit: "GB",
    }),
    "As much as the GPU gives.",
  ),
  max_seq_length: integer(512, {
    label: "Maximum length",
    help: "Longest row in tokens, prompt and answer together; longer rows are cut and counted.",
    group: "training",
    basic: true,
    min: 2,
    max: 131072,
    unit: "tokens",
    step: 64,
  }),
  output_dir: text("./output", {
    label: "Output folder",
    help: "Where the command line writes the adapter, metrics and checkpoints; in a browser it names the download.",
    group: "checkpoints",
  }),
  run_name: nullable(
    text("my-run", {
      label: "Run name",
      help: "The name of the run in lists and files.",
      group: "checkpoints",
    }),
    "A name is made up.",
  ),
  seed: integer(42, {
    label: "Seed",
    help: "The same seed on the same GPU gives the same run, bit for bit. Different GPUs may differ slightly.",
    group: "training",
    basic: true,
    max: 4294967295,
  }),
  data_seed: nullable(
    integer(47, {
      label: "Data seed",
      help: "Seed of the order of the rows and of the held-out split.",
      group: "training",
      max: 4294967295,
    }),
    "The same as seed.",
  ),
};
