import { describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../src/config/algorithm.ts";
import { exportYaml } from "../../src/config/export_yaml.ts";
import type { Settings } from "../../src/config/fields.ts";
import { parseConfig } from "../../src/config/parse_config.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolve, resolveOrThrow } from "../../src/config/resolve.ts";

const base = { model_name: "aligntune-tiny", dataset_name: "ahoy" };
const run = (settings: Settings) => resolve({ file: { values: { ...base, ...settings } } });
const config = (settings: Settings): Readonly<Record<string, unknown>> => {
  const { config: found, issues } = run(settings);
  expect(issues).toEqual([]);
  return { ...found };
};

describe("precedence", () => {
  const layers = {
    override: { values: { seed: 1 } },
    file: { values: { seed: 2, batch_size: 2 } },
    recipe: { values: { ...base, seed: 3, batch_size: 3, lora_rank: 3 } },
  };
  it("takes an override, then the file, then the recipe, then the default", () => {
    const { origins, config: found } = resolve(layers);
    expect(found).toMatchObject({ seed: 1, batch_size: 2, lora_rank: 3, lora_alpha: 32 });
    expect(origins["seed"]).toMatchObject({ value: 1, source: "override" });
    expect(origins["batch_size"]).toMatchObject({ value: 2, source: "file" });
    expect(origins["lora_rank"]).toMatchObject({ value: 3, source: "recipe" });
    expect(origins["lora_alpha"]).toEqual({ value: 32, source: "default" });
    expect(origins["data_seed"]).toEqual({ value: 1, source: "default", derived: true });
  });
  it("lets the override choose the method, and its defaults", () => {
    const { config: found } = resolve({ ...layers, override: { values: { algorithm: "Dr. GRPO" } } });
    expect(found).toMatchObject({ algorithm: "dr_grpo", scale_rewards: "none", loss_type: "dr_grpo" });
  });
  it("skips values that are undefined", () => {
    const { config: found } = resolve({ ...layers, override: { values: { seed: undefined } } });
    expect(found?.seed).toBe(2);
  });
  it("an explicit empty value undoes a weaker one", () => {
    const { config: found } = resolve({
      override: { values: { max_steps: null } },
      recipe: { values: { ...base, max_steps: 5 } },
    });
    expect(found?.max_steps).toBeNull();
  });
});

describe("every method runs with its defaults", () => {
  it.each(ALGORITHMS)("%s", (algorithm) => {
    for (const backend of ["trl", "unsloth", "auto"]) {
      const { issues, notes, config: found } = resolve({ file: { values: { ...base, algorithm, backend } } });
      expect(issues).toEqual([]);
      expect(notes).toEqual([]);
      expect(found?.algorithm).toBe(algorithm);
    }
  });
});

describe("what follows from other settings", () => {
  it.each<[string, Settings, Settings]>([
    ["groups of 8", { algorithm: "grpo", batch_size: 16 }, { num_generations: 8 }],
    ["groups as large as a small batch", { algorithm: "grpo", batch_size: 4 }, { num_generations: 4 }],
    ["groups that divide the rollout", { algorithm: "grpo", batch_size: 12 }, { num_generations: 6 }],
    [
      "groups over accumulated batches of one",
      { algorithm: "grpo", batch_size: 1, gradient_accumulation_steps: 8 },
      { num_generations: 8 },
    ],
    ["a rollout a step", { algorithm: "grpo", gradient_accumulation_steps: 3 }, { steps_per_generation: 3 }],
    [
      "four steps a rollout",
      { algorithm: "gspo", gradient_accumulation_steps: 2 },
      { steps_per_generation: 8 },
    ],
    ["the same clip above", { algorithm: "grpo", epsilon: 0.1 }, { epsilon_high: 0.1 }],
    ["DAPO's clip above", { algorithm: "dapo" }, { epsilon_high: 0.28 }],
    ["GSPO's clip above", { algorithm: "gspo" }, { epsilon_high: 4e-4 }],
    ["the prompt's share", { algorithm: "grpo", max_completion_length: 100 }, { max_prompt_length: 412 }],
    [
      "the length of prompt and answer",
      { algorithm: "grpo", max_prompt_length: 384, max_completion_length: 448 },
      { max_seq_length: 832 },
    ],
    ["the overlong buffer", { algorithm: "dapo", max_completion_length: 100 }, { overlong_buffer: 20 }],
    ["evaluation by steps", { eval_steps: 10 }, { eval_strategy: "steps" }],
    ["no evaluation", {}, { eval_strategy: "no", eval_steps: 100 }],
    ["half a wave", { lr_scheduler: "cosine" }, { num_cycles: 0.5 }],
    ["whole waves", { lr_scheduler: "cosine_with_restarts" }, { num_cycles: 1 }],
    ["the memory path", { backend: "unsloth" }, { load_in_4bit: true, gradient_checkpointing: true }],
    ["weights as stored", { backend: "trl" }, { load_in_4bit: false, gradient_checkpointing: null }],
    ["auto leaves it open", { backend: "auto" }, { load_in_4bit: null }],
    [
      "full fine-tuning is not in 4 bit",
      { backend: "unsloth", peft_enabled: false },
      { load_in_4bit: false },
    ],
    ["a loss is better when smaller", {}, { greater_is_better: false }],
    [
      "an accuracy when greater",
      { metric_for_best_model: "eval_mean_token_accuracy" },
      { greater_is_better: true },
    ],
    [
      "weights given apart",
      {
        algorithm: "grpo",
        rewards: [
          { type: "accuracy", weight: 1, params: {} },
          { type: "length", weight: 1, params: {} },
        ],
        reward_weights: [2, 0.5],
      },
      {
        rewards: [
          { type: "accuracy", weight: 2, params: {} },
          { type: "length", weight: 0.5, params: {} },
        ],
      },
    ],
  ])("%s", (_name, settings, expected) => {
    expect(config(settings)).toMatchObject(expected);
  });
});

const reward = { type: "accuracy", weight: 1, params: {} };

describe("rules", () => {
  it.each<[string, Settings, string]>([
    [
      "num_generations",
      { algorithm: "grpo", batch_size: 8, num_generations: 3 },
      "does not divide into groups",
    ],
    ["num_generations", { algorithm: "grpo", batch_size: 1 }, "does not divide into groups"],
    [
      "max_completion_length",
      { algorithm: "ppo", max_completion_length: 512 },
      "must be smaller than max_seq_length",
    ],
    [
      "max_prompt_length",
      { algorithm: "grpo", max_seq_length: 512, max_prompt_length: 384, max_completion_length: 256 },
      "Set max_seq_length to 640",
    ],
    ["reward_weights", { algorithm: "grpo", reward_weights: [1, 2] }, "each reward needs one weight"],
    ["rewards", { algorithm: "grpo", rewards: [{ ...reward, weight: 0 }] }, "nothing to learn"],
    ["rewards", { algorithm: "grpo", rewards: [{ ...reward, type: "custom" }] }, "has no code"],
    [
      "rewards",
      { algorithm: "grpo", rewards: [{ ...reward, type: "custom", code: "my_reward" }] },
      "names the function",
    ],
    ["delta", { algorithm: "grpo", delta: 1.1 }, "must be more than"],
    ["overlong_buffer", { algorithm: "dapo", overlong_buffer: 300 }, "longer than max_completion_length"],
    [
      "dynamic_sampling",
      { algorithm: "dapo", rollouts_path: "r.jsonl", dynamic_sampling: true },
      "generates again",
    ],
    ["num_mini_batches", { algorithm: "ppo", batch_size: 8, num_mini_batches: 3 }, "does not divide"],
    ["loss_weights", { algorithm: "dpo", loss_type: ["sigmoid", "sft"], loss_weights: [1] }, "one weight"],
    ["label_smoothing", { algorithm: "dpo", loss_type: ["exo_pair"] }, "not defined"],
    [
      "f_divergence_type",
      { algorithm: "dpo", loss_type: ["apo_zero"], f_divergence_type: "forward_kl" },
      "reverse_kl only",
    ],
    ["use_weighting", { algorithm: "dpo", loss_type: ["aot"], use_weighting: true }, "sort the batch"],
    [
      "precompute_ref_log_probs",
      { algorithm: "dpo", reference_free: true, precompute_ref_log_probs: true },
      "no reference",
    ],
    ["val_split_ratio", { val_split_ratio: 0.6, test_split_ratio: 0.5 }, "leaves none to learn from"],
    ["load_in_4bit", { peft_enabled: false, load_in_4bit: true }, "cannot be trained"],
    ["adapter_name_or_path", { peft_enabled: false, adapter_name_or_path: "./a" }, "peft_enabled is false"],
    ["load_best_model_at_end", { load_best_model_at_end: true }, "needs evaluations"],
    ["save_strategy", { load_best_model_at_end: true, eval_strategy: "epoch" }, "must be the same"],
    ["save_steps", { load_best_model_at_end: true, eval_steps: 30 }, "multiple of eval_steps"],
    ["early_stopping_patience", { early_stopping_patience: 2 }, "counts evaluations"],
    ["lr_end", { lr_scheduler: "polynomial", lr_end: 0.1 }, "must be smaller"],
    [
      "num_decay_steps",
      { lr_scheduler: "warmup_stable_decay", max_steps: 10, warmup_steps: 5, num_decay_steps: 6 },
      "longer than the run",
    ],
    ["completion_only_loss", { task_type: "text_generation", completion_only_loss: true }, "no answer"],
    ["assistant_only_loss", { task_type: "text_generation", assistant_only_loss: true }, "no answer"],
    [
      "packing_strategy",
      { packing: true, packing_strategy: "wrapped", assistant_only_loss: true },
      "use bfd",
    ],
  ])("%s: %j", (path, settings, message) => {
    const { issues, config: found } = run(settings);
    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatchObject({ path, message: expect.stringContaining(message) as string });
    expect(found).toBeUndefined();
  });

  it.each<[string, Settings]>([
    ["warmup_ratio", { warmup_steps: 5, warmup_ratio: 0.2 }],
    ["num_epochs", { max_steps: 5, num_epochs: 3 }],
    ["warmup_steps", { max_steps: 5, warmup_steps: 5 }],
    ["warmup_steps", { lr_scheduler: "constant", warmup_steps: 5 }],
    ["lora_rank", { peft_enabled: false, lora_rank: 8 }],
    ["lora_dropout", { algorithm: "dpo", lora_dropout: 0.1 }],
    ["packing_strategy", { packing_strategy: "wrapped" }],
    ["num_generations", { algorithm: "sft", num_generations: 4 }],
    ["eval_batch_size", { algorithm: "grpo", eval_batch_size: 4 }],
  ])("only a note: %s in %j", (path, settings) => {
    const { issues, notes } = run(settings);
    expect(issues).toEqual([]);
    expect(notes).toMatchObject([{ path }]);
  });

  it.each<Settings>([
    { packing: true, assistant_only_loss: true },
    { load_best_model_at_end: true, eval_steps: 20, save_steps: 40 },
    { algorithm: "grpo", rollouts_path: "r.jsonl", dataset_name: null },
    { algorithm: "dapo", rollouts_path: "r.jsonl" },
    { lr_scheduler: "warmup_stable_decay", max_steps: 10, warmup_steps: 4, num_decay_steps: 6 },
  ])("allows %j", (settings) => {
    expect(run(settings).issues).toEqual([]);
  });
});

describe("everything that is wrong comes back at once", () => {
  const layers = {
    override: { values: { batch_sise: 4, learning_rate: -1 } },
    file: {
      values: { algorithm: "grpo", num_generations: 3, temperature: "hot" },
      at: { num_generations: { path: "train.num_generations", line: 7 } },
    },
  };
  it("with its place", () => {
    expect(resolve(layers).issues.map(({ path, line, suggestion }) => [path, line, suggestion])).toEqual([
      ["batch_sise", undefined, "batch_size"],
      ["learning_rate", undefined, undefined],
      ["temperature", undefined, undefined],
      ["model_name", undefined, undefined],
      ["dataset_name", undefined, undefined],
      ["train.num_generations", 7, undefined],
    ]);
  });
  it("as one error of the code config-invalid", () => {
    expect(() => resolveOrThrow(layers)).toThrow(
      expect.objectContaining({
        code: "config-invalid",
        message: expect.stringContaining("line 7: train.num_generations: A rollout has 8") as string,
      }),
    );
  });
  it("with what could not be read in the first place", () => {
    const review = readSettings({
      ...base,
      lerning_rate: 1,
      batch_size: "many",
      algorithm: "dpo",
      max_steps: 5,
      beta: 0.1,
    });
    const { issues, config: found } = resolve({ file: review });
    expect(issues).toMatchObject([
      { path: "lerning_rate", suggestion: "learning_rate" },
      { path: "batch_size" },
    ]);
    expect(found).toBeUndefined();
  });
  it("reward types", () => {
    const { issues } = resolve({
      file: { values: { ...base, algorithm: "grpo", rewards: [{ ...reward, type: "accurracy" }] } },
    });
    expect(issues).toMatchObject([{ path: "rewards.0.type", suggestion: "accuracy" }]);
  });
});

describe("the dictionaries of AlignTune's summary", () => {
  const fn = () => 1;
  const common = {
    model_name: "Qwen/Qwen3-0.6B",
    dataset_name: "openai/gsm8k",
    config_name: "main",
    backend: "trl",
    output_dir: "./output/model",
    batch_size: 8,
  };
  it.each<[string, Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>]>([
    [
      "sft",
      {
        ...common,
        config_name: undefined,
        dataset_name: "gsm8k",
        max_seq_length: 512,
        use_unsloth: false,
        peft_enabled: false,
        batch_size: 2,
        learning_rate: 1e-5,
        subset: "main",
        task_type: "instruction_following",
        column_mapping: { question: "instruction", answer: "response" },
        max_steps: 5,
        num_epochs: 1,
        run_name: "sft_training_run",
      },
      { algorithm: "sft", config_name: "main", max_steps: 5, peft_enabled: false },
    ],
    ["grpo", { ...common, algorithm: "grpo" }, { algorithm: "grpo", num_generations: 8 }],
    ["dpo", { ...common, algorithm: "dpo", max_steps: 100, learning_rate: 1e-5 }, { max_steps: 100 }],
    ["processing_fn", { ...common, algorithm: "dpo", processing_fn: fn }, { processing_fn: fn }],
    [
      "column mapping",
      {
        ...common,
        dataset_name: "google-research-datasets/mbpp",
        algorithm: "grpo",
        column_mapping: { text: "prompt", code: "response" },
        num_generations: 4,
      },
      { num_generations: 4 },
    ],
    [
      "custom rewards",
      {
        ...common,
        algorithm: "grpo",
        backend: "unsloth",
        batch_size: 4,
        rewards: [
          { type: "custom", weight: 0.7, params: { reward_function: fn } },
          { type: "custom", weight: 0.3, params: { reward_function: fn } },
        ],
      },
      {
        rewards: [
          { type: "custom", weight: 0.7, params: {}, code: fn, name: "fn" },
          { type: "custom", weight: 0.3, params: {}, code: fn, name: "fn" },
        ],
      },
    ],
  ])("%s", (_name, settings, expected) => {
    const review = readSettings(settings);
    expect(review.problems).toEqual([]);
    const { config: found, issues } = resolve({ override: review });
    expect(issues).toEqual([]);
    expect(found).toMatchObject(expected);
  });
  it("with an override beside the dictionary", () => {
    const file = readSettings({ ...common, algorithm: "dpo" });
    const { config: found, origins } = resolve({ override: readSettings({ batch_size: 16 }), file });
    expect(found?.batch_size).toBe(16);
    expect(origins["batch_size"]?.source).toBe("override");
    expect(origins["algorithm"]?.source).toBe("file");
  });
});

describe("a reward model", () => {
  const ppo = { algorithm: "ppo", reward_model_name: "judge" };
  const score = { type: "reward_model", weight: 1, params: {} };
  const own = { type: "length", weight: 0.5, params: {} };

  it("alone counts where no rewards are given, and the resolved configuration says so", () => {
    const { config: found, origins } = run(ppo);
    expect(found).toMatchObject({ rewards: [score] });
    expect(origins["rewards"]).toEqual({ value: [score], source: "default", derived: true });
  });
  it("counts beside the rewards that are given", () => {
    expect(config({ ...ppo, rewards: [own] })["rewards"]).toEqual([own, score]);
  });
  it("has the weight that is given for it, and is not added twice", () => {
    const rewards = [{ ...score, weight: 0.25 }, own];
    expect(config({ ...ppo, rewards })["rewards"]).toEqual(rewards);
  });
  it.each([[[2]], [[2, 1]]])(
    "comes after the rewards that have weights of their own: %j",
    (reward_weights) => {
      const found = config({ ...ppo, rewards: [own], reward_weights });
      expect(found["rewards"]).toEqual([{ ...own, weight: 2 }, score]);
      expect(found["reward_weights"]).toEqual([2, 1]);
    },
  );
  it("is the same after the resolved configuration was written and read again", () => {
    const first = config({ ...ppo, rewards: [own], reward_weights: [3] });
    const again = resolve({ file: parseConfig(exportYaml({ ...first, algorithm: "ppo" })) });
    expect(again.issues).toEqual([]);
    // Written out, each reward carries its own weight.
    expect(again.config).toEqual({ ...first, reward_weights: null });
  });
  it.each<[string, Settings, string]>([
    ["no model", { algorithm: "ppo", rewards: [score] }, "reward_model_name names none"],
    ["another method", { algorithm: "grpo", rewards: [score] }, "this run is grpo"],
    ["twice", { ...ppo, rewards: [score, score] }, "2 times"],
    ["a parameter", { ...ppo, rewards: [{ ...score, params: { scale: 2 } }] }, "has no parameter scale"],
    ["code", { ...ppo, rewards: [{ ...score, code: "x => 1" }] }, "no code of its own"],
  ])("is refused with %s", (_, settings, message) => {
    expect(run(settings).issues.map((issue) => issue.message)).toEqual([expect.stringContaining(message)]);
  });
});
