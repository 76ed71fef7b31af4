import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import grpoYaml from "../config/fixtures/summary_grpo.txt?raw";
import { openSummary, type Summary } from "./summary.ts";

const QUESTIONS = "forms/questions";
const text = (content: string) => new TextEncoder().encode(content);

let summary: Summary;
let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "configs-"));
  const rows = ["Who?", "What?", "Why?"].map((question) => JSON.stringify({ question }));
  summary = await openSummary([
    { kind: "datasets", id: QUESTIONS, files: { "train.jsonl": text(rows.join("\n")) } },
  ]);
});
afterAll(async () => {
  await summary.close();
  await rm(dir, { recursive: true });
});

const GSM8K = { model_name: "Qwen/Qwen3-0.6B", dataset_name: "openai/gsm8k", config_name: "main" };
const ANSWER = /^\w+ has \d \+ \d = <<.*>>\d shells\.\n#### \d$/;

/** Quick start, and "basic RL training", which is the same with another output_dir. */
const BASIC = {
  ...GSM8K,
  algorithm: "grpo",
  backend: "trl",
  output_dir: "./output/grpo_model",
  batch_size: 8,
};

describe("quick start and basic RL training", () => {
  it("grpo: a group of answers to a question, rewarded against its answer", async () => {
    const { trainer, records, metrics } = await summary.train("rl", { ...BASIC, max_steps: 1 });
    expect(trainer.config).toMatchObject({
      ...{ rewards: [{ type: "accuracy", weight: 1, params: {} }], num_generations: 8, beta: 0.04 },
      ...{ learning_rate: 1e-5, num_epochs: 1, peft_enabled: true, loss_type: "grpo" },
    });
    expect(trainer.origins["rewards"]?.source).toBe("default");
    expect(records).toHaveLength(8);
    expect(new Set(records.map(({ group }) => group)).size).toBe(1);
    for (const { reference, rewards, prompt } of records) {
      expect(reference).toMatch(ANSWER);
      expect(Object.keys(rewards)).toEqual(["accuracy"]);
      expect(prompt).toEqual([{ role: "user", content: expect.stringMatching(/How many shells/) }]);
    }
    expect(metrics[0]).toMatchObject({
      reward: expect.any(Number),
      "rewards/accuracy/mean": expect.any(Number),
    });
  });

  it.each([
    ["ppo", "trl"],
    ["ppo", "unsloth"],
    ["grpo", "unsloth"],
    ["gspo", "trl"],
    ["gspo", "unsloth"],
    ["dapo", "trl"],
    ["dapo", "unsloth"],
    ["Dr. GRPO", "trl"],
    ["dr_grpo", "unsloth"],
  ])("%s runs on %s", async (algorithm, backend) => {
    // The reward differs between answers, so that every method has something to learn; dapo would draw groups again.
    const rewards = [{ type: "custom", params: { reward_function: (answer: string) => answer.length % 7 } }];
    const { trainer, records, metrics } = await summary.train("rl", {
      ...{ ...BASIC, algorithm, backend, batch_size: 4, rewards, max_steps: 1 },
      ...(algorithm === "ppo" ? { num_ppo_epochs: 1 } : { num_generations: 4 }),
    });
    expect(trainer.config).toMatchObject({ backend, load_in_4bit: backend === "unsloth" });
    expect(records.length).toBeGreaterThanOrEqual(4);
    expect(records.every(({ reference }) => reference !== null && ANSWER.test(reference))).toBe(true);
    expect(metrics).toHaveLength(1);
  });

  it("rows without an answer are refused in words", async () => {
    const refused = summary.rl({ ...BASIC, dataset_name: QUESTIONS, config_name: undefined });
    await expect(refused).rejects.toMatchObject({ code: "dataset-invalid" });
    await expect(refused).rejects.toThrow(
      /The reward accuracy compares answers with a reference, and the rows have none\. Say which column/,
    );
  });

  it("required parameters are asked for", async () => {
    const { algorithm: _, ...unnamed } = BASIC;
    await expect(summary.rl(unnamed)).rejects.toThrow(
      /createRlTrainer needs an algorithm: one of dpo, ppo, grpo/,
    );
    await expect(summary.rl({ algorithm: "grpo" })).rejects.toThrow(
      /model_name is missing.*dataset_name is missing/s,
    );
  });
});

describe("configuration files: config/grpo_training.yaml", () => {
  const REPAIRED =
    'line 20: " weight: 1.0" was read as "   weight: 1.0". The indentation did not fit and was repaired.';
  const path = () => join(dir, "grpo_training.yaml");

  it("is found by its path, repaired, and trains", async () => {
    await writeFile(path(), grpoYaml);
    const { trainer, records } = await summary.train("rl", { config: path() }, 1);
    expect(trainer.notes).toContain(REPAIRED);
    expect(trainer.totalSteps).toBe(100);
    expect(trainer.config).toMatchObject({
      ...{
        algorithm: "grpo",
        batch_size: 8,
        learning_rate: 2e-4,
        rewards: [{ type: "accuracy", weight: 1 }],
      },
      ...{ column_mapping: { question: "prompt", answer: "response" } },
    });
    expect(records.filter(({ step }) => step === 1)).toHaveLength(8);
    expect(records.every(({ reference }) => ANSWER.test(reference ?? ""))).toBe(true);
  });

  it("gives way to what is said beside it", async () => {
    await writeFile(path(), grpoYaml);
    const options = { config: path(), batch_size: 16, max_steps: 200 };
    const { trainer, records } = await summary.train("rl", options, 1);
    expect(trainer.totalSteps).toBe(200);
    expect(trainer.origins["batch_size"]).toMatchObject({ value: 16, source: "override" });
    expect(trainer.origins["learning_rate"]).toMatchObject({ value: 2e-4, source: "file", line: 9 });
    expect(records.filter(({ step }) => step === 1)).toHaveLength(16);
  });

  it("needs no repair when it is well-formed, as YAML or as JSON", async () => {
    const whole = grpoYaml.replace("\n weight: 1.0", "\n   weight: 1.0");
    const trainer = await summary.rl({ config: whole, max_seq_length: 300 });
    expect(trainer.notes.filter((note) => note.includes("repaired"))).toEqual([]);
    const json = join(dir, "grpo.json");
    await writeFile(
      json,
      JSON.stringify({ ...BASIC, column_mapping: { question: "prompt", answer: "response" } }),
    );
    const same = await summary.rl({ config: json, max_steps: 100, learning_rate: 2e-4, max_seq_length: 300 });
    const { output_dir: _, ...expected } = trainer.config;
    expect(same.config).toMatchObject(expected);
  });

  it("that is not there is named", async () => {
    await expect(summary.rl({ config: "config/none.yaml" })).rejects.toMatchObject({
      code: "file-missing",
      message: expect.stringMatching(/No file "config\/none\.yaml"/),
    });
  });
});

describe("column mapping", () => {
  it("makes a prompt of text and a reference of code, in groups of num_generations", async () => {
    const { trainer, records } = await summary.train("rl", {
      ...{ model_name: "Qwen/Qwen3-0.6B", dataset_name: "google-research-datasets/mbpp", algorithm: "grpo" },
      ...{ column_mapping: { text: "prompt", code: "response" }, backend: "trl", batch_size: 8 },
      ...{ output_dir: "./output/grpo_model", num_generations: 4, max_steps: 1 },
    });
    expect(trainer.config).toMatchObject({ num_generations: 4, rewards: [{ type: "accuracy" }] });
    expect(records).toHaveLength(8);
    expect(records.map(({ group }) => group)).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
    for (const { prompt, reference } of records) {
      expect(prompt).toEqual([
        { role: "user", content: expect.stringMatching(/^Write a function to add 6\d\d/) },
      ]);
      expect(reference).toMatch(/^def add_6\d\d\(x\):/);
    }
  });

  it.each<Readonly<Record<string, string>>>([
    { question: "instruction", answer: "response" },
    { prompt: "question", reference: "answer" },
  ])("%o is understood, whichever side names the column", async (column_mapping) => {
    const { records } = await summary.train("rl", { ...BASIC, column_mapping, max_steps: 1 });
    expect(records.every(({ reference }) => ANSWER.test(reference ?? ""))).toBe(true);
  });
});
