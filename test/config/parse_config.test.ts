import { describe, expect, it } from "vitest";
import { exportYaml } from "../../src/config/export_yaml.ts";
import { parseAssignments, parseConfig } from "../../src/config/parse_config.ts";
import { resolve } from "../../src/config/resolve.ts";
import sftYaml from "./fixtures/summary_sft.txt?raw";

const runs = import.meta.glob<string>(["../golden/trl/*/config.yaml", "./fixtures/runs/*.txt"], {
  query: "?raw",
  import: "default",
  eager: true,
});

describe("configurations of whole runs load as they are", () => {
  it.each(Object.entries(runs))("%s", (_file, text) => {
    const review = parseConfig(text);
    expect(review.problems).toEqual([]);
    expect(review.notUsed).toEqual([]);
    expect(review.changed).toEqual([]);
    const { config, issues } = resolve({ file: review });
    expect(issues).toEqual([]);
    expect(config?.algorithm).toBe(review.algorithm);
  });
});

describe("AlignTune's SFT example", () => {
  const review = parseConfig(sftYaml);
  it("is read whole, with the subset under its own name", () => {
    expect(review.problems).toEqual([]);
    expect(review.values).toEqual({
      model_name: "Qwen/Qwen3-0.6B",
      dataset_name: "openai/gsm8k",
      backend: "trl",
      output_dir: "./output/sft_model",
      batch_size: 8,
      num_epochs: 3,
      learning_rate: 2e-4,
      max_seq_length: 512,
      config_name: "main",
      task_type: "instruction_following",
      column_mapping: { question: "instruction", answer: "response" },
      gradient_accumulation_steps: 4,
      warmup_ratio: 0.1,
    });
  });
  it("knows the line of every value", () => {
    expect(review.used.find(({ key }) => key === "config_name")).toMatchObject({ path: "subset", line: 11 });
    expect(review.at["learning_rate"]).toEqual({ path: "learning_rate", line: 7 });
  });
  it("is SFT, because nothing else is said", () => {
    expect(resolve({ file: review }).config?.algorithm).toBe("sft");
  });
});

describe("values", () => {
  const value = (text: string, key: string) => parseConfig(text).values[key];
  it.each([
    ["learning_rate: 5e-5", "learning_rate", 5e-5],
    ["learning_rate: '5e-5'", "learning_rate", 5e-5],
    ['learning_rate: "1.0e-07"', "learning_rate", 1e-7],
    ["max_steps: '1_000'", "max_steps", 1000],
    ["max_steps: -1", "max_steps", null],
    ["packing: yes", "packing", true],
    ["packing: 'no'", "packing", false],
    ["packing: off", "packing", false],
    ["packing: 1", "packing", true],
    ["eval_strategy: no", "eval_strategy", "no"],
    ["eval_strategy: false", "eval_strategy", "no"],
    ["evaluation_strategy: STEPS", "eval_strategy", "steps"],
    ["completion_only_loss: auto", "completion_only_loss", null],
    ["completion_only_loss: true", "completion_only_loss", true],
    ["optim: adamw_torch_fused", "optim", "adamw"],
    ["optim: paged_adamw_8bit", "optim", "adamw_8bit"],
    ["lr_scheduler_type: cosine-with-restarts", "lr_scheduler", "cosine_with_restarts"],
    ["target_modules: all", "target_modules", "all-linear"],
    ["target_modules: q_proj, v_proj", "target_modules", ["q_proj", "v_proj"]],
    ["target_modules: [q_proj]", "target_modules", ["q_proj"]],
    ["target_modules: '.*\\.(q|v)_proj'", "target_modules", ".*\\.(q|v)_proj"],
    ["warmup_steps: 0.05", "warmup_ratio", 0.05],
    ["run_name: 2024", "run_name", "2024"],
    ["lora_target_linear: true", "target_modules", "all-linear"],
    ["quantization: {load_in_4bit: true, bnb_4bit_quant_type: nf4}", "load_in_4bit", true],
    ["quantization_bit: 4", "load_in_4bit", true],
    ["finetuning_type: full", "peft_enabled", false],
    ["group_by_length: true", "train_sampling_strategy", "group_by_length"],
    ["data: {train_split: 'main:train'}", "config_name", "main"],
    ["loss_type: chunked_nll", "loss_type", "nll"],
    ["algorithm: dpo\nloss_type: ipo", "loss_type", ["ipo"]],
    ["algorithm: dpo\nloss_type: [sigmoid, bco]", "loss_type", ["sigmoid", "bco_pair"]],
    ["algorithm: grpo\nscale_rewards: false", "scale_rewards", "none"],
    ["algorithm: grpo\nscale_rewards: true", "scale_rewards", "group"],
    ["algorithm: grpo\nrewards: accuracy", "rewards", [{ type: "accuracy", weight: 1, params: {} }]],
    [
      "algorithm: grpo\nrewards: ['length:weight=0.5:min_length=10', accuracy]",
      "rewards",
      [
        { type: "length", weight: 0.5, params: { min_length: 10 } },
        { type: "accuracy", weight: 1, params: {} },
      ],
    ],
  ])("%s", (text, key, expected) => {
    expect(parseConfig(text).problems).toEqual([]);
    expect(value(text, key)).toEqual(expected);
  });

  it("says what it changed and why", () => {
    expect(parseConfig("seed: 1\nlearning_rate: '5e-5'").changed).toEqual([
      {
        path: "learning_rate",
        line: 2,
        key: "learning_rate",
        from: "5e-5",
        to: 5e-5,
        why: "A number was written as text.",
      },
    ]);
  });
});

describe("what is refused, with its line", () => {
  const problem = (text: string) => parseConfig(text).problems[0];
  it("an unknown key, with the nearest known one", () => {
    expect(problem("seed: 1\nlearning_rat: 0.1")).toEqual({
      path: "learning_rat",
      line: 2,
      message: "learning_rat is not a setting.",
      suggestion: "learning_rate",
    });
  });
  it("an unknown key that is like none, without a guess", () => {
    expect(problem("flavour_of_icecream: 1")?.suggestion).toBeUndefined();
  });
  it("a wrong type", () => {
    expect(problem("batch_size: many")?.message).toBe(
      'batch_size must be a whole number from 1 to 4096; here it is "many".',
    );
  });
  it.each([
    ["learning_rate: 0", "learning_rate must be a number above 0 and at most 10; here it is 0."],
    ["learning_rate: true", "learning_rate must be a number above 0 and at most 10; here it is true."],
    ["batch_size: 2.5", "batch_size must be a whole number from 1 to 4096; here it is 2.5."],
    ["lora_dropout: 2", "lora_dropout must be a number from 0 to 0.99; here it is 2."],
    [
      "max_steps: soon",
      'max_steps must be a whole number of at least 1, or empty (as many as the epochs take); here it is "soon".',
    ],
    ["learning_rate: .inf", "learning_rate must be a number above 0 and at most 10; here it is Infinity."],
    ["packing: 3", "packing must be true or false; here it is 3."],
  ])("out of range: %s", (text, message) => {
    expect(problem(text)?.message).toBe(message);
  });
  it("a wrong choice, with the nearest", () => {
    expect(problem("lr_scheduler: cosin")).toMatchObject({ line: 1, suggestion: "cosine" });
  });
  it("an unknown algorithm", () => {
    expect(problem("algorithm: grop")).toMatchObject({ line: 1, suggestion: "grpo" });
    expect(problem("algorithm: kto")?.message).toContain("algorithm must be one of sft, dpo, ppo");
  });
  it("a reward without a sensible weight, at its own path", () => {
    expect(problem("algorithm: grpo\nrewards:\n  - type: accuracy\n    weight: much")).toMatchObject({
      path: "rewards.0.weight",
      line: 4,
    });
  });
  it("a function named rather than given", () => {
    expect(problem("processing_fn: preprocess_function")?.message).toContain("Paste the function's code");
  });
  it("a function of a file is no mere name", () => {
    const { values, problems } = parseConfig(
      "processing_fn: code/prep.py#clean\nprocessing_batched: true\nprocessing_fn_kwargs: {suffix: '?', n: 3}",
    );
    expect(problems).toEqual([]);
    expect(values).toMatchObject({
      processing_fn: "code/prep.py#clean",
      processing_batched: true,
      processing_fn_kwargs: { suffix: "?", n: 3 },
    });
  });
  it("two names of one setting that disagree", () => {
    expect(problem("lr: 0.1\nbase_model: a/b\nmodel_name_or_path: c/d")?.message).toContain(
      "both set model_name",
    );
  });
  it("a duplicate key", () => {
    expect(problem("seed: 1\nseed: 2")).toMatchObject({ path: "seed", line: 2, message: /twice/ });
  });
  it("bad indentation, with the offer to repair it", () => {
    expect(problem("rewards:\n - type: accuracy\n weight: 1")).toMatchObject({
      line: 3,
      repair: "indentation",
    });
  });
  it("tabs, with the offer to repair them", () => {
    expect(problem("train:\n\tseed: 1")).toMatchObject({ line: 2, repair: "tabs" });
  });
  it("a file of more than 1 MiB", () => {
    expect(problem(`# ${"x".repeat(1024 * 1024)}`)?.message).toContain("larger than 1 MiB");
  });
  it("several documents in one file", () => {
    expect(problem("seed: 1\n---\nseed: 2")?.message).toContain("several documents");
  });
  it("an alias bomb", () => {
    const layers = Array.from(
      { length: 9 },
      (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(", ")}]`,
    );
    expect(problem(["a0: &a0 [x]", ...layers].join("\n"))?.message).toMatch(/alias/);
  });
  it.each(["", "   \n", "# only a comment", "- a\n- b", "just a text"])("nothing to read: %j", (text) => {
    expect(parseConfig(text).problems).toHaveLength(1);
  });
  it("keeps what is right beside what is wrong", () => {
    const review = parseConfig("batch_size: many\nseed: 7");
    expect(review.values).toEqual({ seed: 7 });
    expect(review.problems).toHaveLength(1);
  });
});

describe("what is accepted and not used", () => {
  it.each([
    "distributed: ddp",
    "distributed: {nodes: 1}",
    "use_vllm: true",
    "vllm_gpu_memory_utilization: 0.7",
    "device_map: auto",
    "max_memory: {0: 10GB}",
    "use_unsloth: false",
    "dataloader_num_workers: 4",
    "precision: bf16",
    "report_to: none",
    "loggers: [tensorboard]",
    "trust_remote_code: true",
    "gspo_gamma: 0.1",
    "fsdp_config: {a: 1}",
    "evaluation: {compute_rouge: true}",
    "caching: {root: ./cache}",
  ])("%s", (text) => {
    const review = parseConfig(text);
    expect(review.problems).toEqual([]);
    expect(review.values).toEqual({});
    expect(review.notUsed[0]).toMatchObject({ line: 1, why: /\.$/ });
  });
  it("settings of another method", () => {
    expect(parseConfig("algorithm: sft\nnum_generations: 4").notUsed).toEqual([
      { path: "num_generations", line: 2, why: "It belongs to GRPO, GSPO, DAPO, Dr. GRPO; this run is SFT." },
    ]);
  });
  it("tags of Python programs", () => {
    const review = parseConfig("run_name: !function utils.x");
    expect(review.values).toEqual({ run_name: "utils.x" });
    expect(review.notUsed[0]).toMatchObject({ line: 1, why: /!function/ });
  });
});

describe("three shapes", () => {
  const nested = `
algo: grpo
model:
  name_or_path: Qwen/Qwen3-0.6B
  max_seq_length: 1024
  use_peft: true
  lora_r: 8
  lora_target_modules: [q_proj, v_proj]
datasets:
  - name: openai/gsm8k
    config_name: main
    split: train
    column_mapping: {question: prompt}
  - name: another/one
train:
  per_device_batch_size: 8
  epochs: 2
  max_steps: 100
  learning_rate: 5e-5
  beta: 0.01
  save_interval: 50
  eval_interval: 25
  lr_scheduler_kwargs:
    num_cycles: 2
rewards:
  - type: accuracy
    weight: 0.7
logging:
  output_dir: ./out
  loggers: [tensorboard]
  sample_logging:
    enabled: true
    prompts: [Hello]
    interval_steps: 10
`;
  const expected = {
    algorithm: "grpo",
    model_name: "Qwen/Qwen3-0.6B",
    max_seq_length: 1024,
    peft_enabled: true,
    lora_rank: 8,
    target_modules: ["q_proj", "v_proj"],
    dataset_name: "openai/gsm8k",
    config_name: "main",
    split: "train",
    column_mapping: { question: "prompt" },
    more_datasets: [{ name: "another/one" }],
    batch_size: 8,
    num_epochs: 2,
    max_steps: 100,
    learning_rate: 5e-5,
    beta: 0.01,
    save_steps: 50,
    eval_steps: 25,
    num_cycles: 2,
    rewards: [{ type: "accuracy", weight: 0.7, params: {} }],
    output_dir: "./out",
    sample_prompts: ["Hello"],
    sample_every: 10,
  };
  it("nested", () => {
    const review = parseConfig(nested);
    expect(review.problems).toEqual([]);
    expect(review.values).toEqual(expected);
    expect(review.at["beta"]).toEqual({ path: "train.beta", line: 20 });
    expect(review.at["dataset_name"]).toEqual({ path: "datasets.0.name", line: 10 });
    expect(review.at["more_datasets"]).toEqual({ path: "datasets.1", line: 14 });
  });
  it("wrapped in a recipe", () => {
    const indented = nested.replace(/^(?=.)/gm, "  ");
    const review = parseConfig(
      `recipe:\n  name: x\n  algorithm: grpo\n  model: other\n  tags: [a]\nconfig:${indented}`,
    );
    expect(review.problems).toEqual([]);
    expect(review.values).toEqual(expected);
  });
  it("JSON", () => {
    const review = parseConfig('{\n  "algorithm": "dpo",\n\t"learning_rate": 1e-5,\n  "batch_sice": 2\n}');
    expect(review.values).toEqual({ algorithm: "dpo", learning_rate: 1e-5 });
    expect(review.problems).toMatchObject([{ path: "batch_sice", line: 4, suggestion: "batch_size" }]);
  });
  it("keys with dots", () => {
    expect(parseConfig("train.lr: 0.1\nmodel.lora_r: 4").values).toEqual({
      learning_rate: 0.1,
      lora_rank: 4,
    });
  });
});

describe("names in sections of neighbouring formats", () => {
  it.each([
    ["data: {path: a/b}", { dataset_name: "a/b" }],
    ["lora: {lora_r: 4, alpha: 8}", { lora_rank: 4, lora_alpha: 8 }],
    ["peft: true", { peft_enabled: true }],
    ["model: {quantization: {load_in_4bit: true}}", { load_in_4bit: true }],
    ["model: a/b", { model_name: "a/b" }],
    [
      "dataset: {name: a/b, subset: main, field_mappings: {q: prompt}}",
      { dataset_name: "a/b", config_name: "main", column_mapping: { q: "prompt" } },
    ],
    ["task: llm-sft", { algorithm: "sft" }],
    [
      "train: {eval_interval: 5, save_interval: 10, log_interval: 2}",
      { eval_steps: 5, save_steps: 10, logging_steps: 2 },
    ],
    ["stage: dpo\npref_beta: 0.2", { algorithm: "dpo", beta: 0.2 }],
    ["algo: ppo\ntrain: {kl_coef: 0.1, lam: 0.9}", { algorithm: "ppo", kl_coef: 0.1, lam: 0.9 }],
    [
      "algo: grpo\nreward_functions: [accuracy, length]\nreward_function_weights: [1, 0.5]",
      {
        algorithm: "grpo",
        rewards: [
          { type: "accuracy", weight: 1, params: {} },
          { type: "length", weight: 1, params: {} },
        ],
        reward_weights: [1, 0.5],
      },
    ],
  ])("%s", (text, values) => {
    expect(parseConfig(text)).toMatchObject({ problems: [], values });
  });
});

describe("assignments of a command line", () => {
  it("are read as in a file", () => {
    const pairs = [
      "learning_rate=1e-4",
      "train.epochs=2",
      "packing=true",
      "target_modules=[q_proj, v_proj]",
      "run_name=a: b",
    ];
    expect(parseAssignments(pairs).values).toEqual({
      learning_rate: 1e-4,
      num_epochs: 2,
      packing: true,
      target_modules: ["q_proj", "v_proj"],
      run_name: "a: b",
    });
  });
  it("are refused as in a file", () => {
    expect(parseAssignments(["learning_rat=1"]).problems).toMatchObject([{ suggestion: "learning_rate" }]);
  });
});

it("anchors and merge keys are understood", () => {
  const review = parseConfig("model: &m\n  lora_r: 4\ntrain:\n  <<: *m\n  seed: 2\n");
  expect(review).toMatchObject({ problems: [], values: { lora_rank: 4, seed: 2 } });
});

describe("files of other tools", () => {
  it("LLaMA-Factory", () => {
    const review = parseConfig(
      "stage: sft\ndo_train: true\nfinetuning_type: lora\nlora_target: all\nmodel_name_or_path: a/b\ncutoff_len: 1024\n" +
        "template: qwen\nper_device_train_batch_size: 2\nnum_train_epochs: 3.0\nlr_scheduler_type: cosine\nbf16: true\nval_size: 0.1",
    );
    expect(review.looksLike).toBe("LLaMA-Factory");
    expect(review.problems).toEqual([]);
    expect(review.values).toMatchObject({
      algorithm: "sft",
      peft_enabled: true,
      max_seq_length: 1024,
      num_epochs: 3,
    });
  });
  it("Axolotl", () => {
    const review = parseConfig(
      "base_model: a/b\nsequence_len: 512\nadapter: qlora\nlora_r: 8\nmicro_batch_size: 2\nsample_packing: true\n" +
        "datasets:\n  - path: c/d\n    type: alpaca\nval_set_size: 0.05\noptimizer: adamw_bnb_8bit\nflash_attention: true",
    );
    expect(review.looksLike).toBe("Axolotl");
    expect(review.problems).toEqual([]);
    expect(review.values).toMatchObject({
      dataset_name: "c/d",
      load_in_4bit: true,
      packing: true,
      optim: "adamw_8bit",
    });
  });
});

describe("task_type", () => {
  const read = (value: string) => parseConfig(`dataset: {name: a/b, task_type: ${value}}`);
  it.each(["qa", "summarization", "code", "dpo", "grpo", "chat_completion"])("%s is kept", (value) => {
    expect(read(value)).toMatchObject({ values: { task_type: value }, changed: [], problems: [] });
  });
  it.each(["text_classification", "token_classification", "SEQ_CLS"])("%s is refused in words", (value) => {
    expect(read(value).problems).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/head that tells labels.*label: response/) }),
    ]);
  });
  it("that of an adapter is no matter", () => {
    const review = parseConfig("peft_config: {r: 8, task_type: CAUSAL_LM}");
    expect(review).toMatchObject({ values: { lora_rank: 8 }, problems: [] });
    expect(review.notUsed).toHaveLength(1);
  });
});

describe("several datasets", () => {
  const text = [
    "algo: dpo",
    "model: {name_or_path: a/m}",
    "datasets:",
    "  - {name: a/one, split: 'train[:100]', weight: 0.5, task_type: dpo}",
    "  - {name: b/two, config_name: en, percent: 20, weight: 2, field_mappings: {q: prompt}, max_samples: 0}",
    "  - {path: c/three, max_samples: 50, system_prompt: x, pad_token: y, splitt: test}",
  ].join("\n");

  it("the first one's settings are the run's, the others are further datasets", () => {
    const review = parseConfig(text);
    expect(review.values).toMatchObject({
      ...{ dataset_name: "a/one", split: "train[:100]", dataset_weight: 0.5 },
      more_datasets: [
        {
          name: "b/two",
          config_name: "en",
          percent: 20,
          weight: 2,
          column_mapping: { q: "prompt" },
          max_samples: null,
        },
        { name: "c/three", max_samples: 50 },
      ],
    });
    expect(review.at["more_datasets"]).toEqual({ path: "datasets.1", line: 5 });
  });

  it("what a further dataset cannot have for itself, or does not know, is said with its line", () => {
    const review = parseConfig(text);
    expect(review.notUsed).toEqual([
      {
        path: "datasets.2.system_prompt",
        line: 6,
        why: "system_prompt is one for all datasets; that of the first holds.",
      },
      { path: "datasets.2.pad_token", line: 6, why: expect.any(String) },
    ]);
    expect(review.problems).toEqual([
      {
        path: "datasets.2.splitt",
        line: 6,
        message: "splitt is not a setting of a dataset.",
        suggestion: "split",
      },
    ]);
  });

  it("may be written short, and as more_datasets beside flat settings", () => {
    const short = parseConfig(
      "datasets: ['a/one:train[:10]', 'b/two#max=5?map.q=prompt', 'c/three#percent=10']",
    );
    expect(short.values).toMatchObject({
      ...{ dataset_name: "a/one", split: "train[:10]" },
      more_datasets: [
        { name: "b/two", max_samples: 5, column_mapping: { q: "prompt" } },
        { name: "c/three", percent: 10 },
      ],
    });
    const flat = parseConfig(
      "dataset_name: a/one\nmore_datasets:\n  - b/two:test\n  - {name: c/three, weight: 3}",
    );
    expect(flat.values["more_datasets"]).toEqual([
      { name: "b/two", split: "test" },
      { name: "c/three", weight: 3 },
    ]);
    expect(flat.problems).toEqual([]);
  });

  it.each([
    ["{name: b, weight: 0}", "0.weight"],
    ["{name: b, rows: 3}", "0"],
    ["{split: train}", "0.name"],
  ])("%s is refused", (entry, inner) => {
    const { problems } = parseConfig(`dataset_name: a\nmore_datasets: [${entry}]`);
    expect(problems).toEqual([
      expect.objectContaining({
        path: `more_datasets.${inner}`,
        message: expect.stringMatching(/list of datasets, each with name/),
      }),
    ]);
  });

  it.each(["flat", "nested"] as const)("survive being written %s and read again", (shape) => {
    const { values } = parseConfig(text);
    const yaml = exportYaml({ ...values, algorithm: "dpo" }, { shape });
    expect(parseConfig(yaml).values).toEqual(values);
  });
});
