import { cpSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { summaryRepositories } from "../hub/repositories.ts";
import { startHub, type TestHub } from "../hub/server.ts";
import { copyProgram, type Program, ROOT } from "./cli_program.ts";

/** The examples of AlignTune's summary through the command line, with a hub on this machine. */
let program: Program;
let hub: TestHub;
beforeAll(async () => {
  hub = await startHub(await summaryRepositories());
  program = copyProgram(hub.url);
  symlinkSync(join(ROOT, "node_modules/pyodide"), join(program.folder, "node_modules/pyodide"), "junction");
  const fixture = (name: string) =>
    readFileSync(join(ROOT, `test/config/fixtures/summary_${name}.txt`), "utf8");
  program.write("config/grpo_training.yaml", fixture("grpo"));
  program.write("config/whole.yaml", fixture("grpo").replace("\n weight: 1.0", "\n   weight: 1.0"));
  program.write("config/sft_training.yaml", fixture("sft"));
  for (const file of ["prep.py", "rewards.py"])
    cpSync(join(ROOT, "test/summary/files", file), join(program.folder, "config", file));
});
afterAll(async () => {
  program.remove();
  await hub.close();
});

const set = (settings: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(settings).flatMap(([key, value]) => [
    "--set",
    `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  ]);
const SMALL = set({ max_steps: 1, max_seq_length: 144, max_completion_length: 6 });
const train = (config: string, output: string, ...more: string[]) =>
  program.run(["train", "--config", config, "--output", output, ...SMALL, ...more]);
const rollouts = (output: string): Record<string, unknown>[] =>
  readFileSync(join(program.folder, output, "rollouts.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("config/grpo_training.yaml", { timeout: 120_000 }, () => {
  it("is repaired, which is told, and trains a model and a dataset of the hub", async () => {
    const { code, stdout } = await train("config/grpo_training.yaml", "grpo");
    expect(code).toBe(0);
    expect(stdout).toContain(
      'Changed: line 20: " weight: 1.0" was read as "   weight: 1.0". The indentation did not fit and was repaired.',
    );
    const records = rollouts("grpo");
    expect(records).toHaveLength(8);
    for (const { reference } of records) expect(reference).toMatch(/#### \d$/);
    const adapter = JSON.parse(readFileSync(join(program.folder, "grpo/adapter_config.json"), "utf8"));
    expect(adapter).toMatchObject({ peft_type: "LORA", base_model_name_or_path: "Qwen/Qwen3-0.6B" });
    const used = readFileSync(join(program.folder, "grpo/training_config.yaml"), "utf8");
    expect(used).toMatch(/config_name: main/);
    expect(used).toMatch(/learning_rate: 0\.0002|learning_rate: 2\.0e-4/);
  });

  it("needs no repair when it is well-formed", async () => {
    const { code, stdout } = await train("config/whole.yaml", "whole");
    expect(code).toBe(0);
    expect(stdout).not.toContain("repaired");
  });

  it("takes rewards from a Python file beside it", async () => {
    const rewards = [
      { type: "custom", weight: 0.7, params: { reward_function: "rewards.py#accuracy_reward" } },
      { type: "custom", weight: 0.3, params: { reward_function: "rewards.py#length_penalty" } },
    ];
    const config = { model_name: "Qwen/Qwen3-0.6B", dataset_name: "openai/gsm8k", config_name: "main" };
    program.write(
      "config/rewards.json",
      JSON.stringify({ ...config, algorithm: "grpo", batch_size: 4, rewards }),
    );
    const { code, stderr } = await train("config/rewards.json", "rewards");
    expect(stderr).not.toMatch(/Error/);
    expect(code).toBe(0);
    for (const { rewards: each, reward } of rollouts("rewards")) {
      const { accuracy_reward, length_penalty } = each as Record<string, number>;
      expect(reward).toBeCloseTo(0.7 * Number(accuracy_reward) + 0.3 * Number(length_penalty), 12);
      expect(length_penalty).toBe(1);
    }
  });
});

describe("config/sft_training.yaml", { timeout: 120_000 }, () => {
  it("trains, with what is said beside it", async () => {
    const more = set({ gradient_accumulation_steps: 1 });
    const { code, stdout } = await train("config/sft_training.yaml", "sft", ...more);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Not used: max_completion_length\. It belongs to .*; this run is SFT\./);
    expect(stdout).toMatch(/11 training rows, 1 held out/);
    expect(stdout).toMatch(/Done after 1 steps/);
  });
});

describe("dpo on gsm8k", { timeout: 120_000 }, () => {
  const DPO = {
    model_name: "Qwen/Qwen3-0.6B",
    dataset_name: "openai/gsm8k",
    config_name: "main",
    algorithm: "dpo",
  };

  it("is refused without a processing_fn, and trains with the one that stands there", async () => {
    program.write("config/dpo.json", JSON.stringify({ ...DPO, batch_size: 4 }));
    const refused = await train("config/dpo.json", "dpo");
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/chosen and rejected.*processing_fn/);
    const code = set({ processing_fn: "config/prep.py#preprocess_function" });
    const { code: ended, stdout } = await train("config/dpo.json", "dpo", ...code);
    expect(ended).toBe(0);
    expect(stdout).toMatch(/Done after 1 steps/);
  });
});

describe("what the hub refuses", { timeout: 120_000 }, () => {
  it("is told with what to do, and the token is not", async () => {
    const none = await train("config/whole.yaml", "none", "--set", "model_name=Qwen/None");
    expect(none.code).toBe(2);
    expect(none.stderr).toMatch(
      /the model Qwen\/None to nobody without a token: there is no such repository/,
    );
    const subset = await train("config/whole.yaml", "none", "--set", "config_name=mian");
    expect(subset.code).toBe(2);
    expect(subset.stderr).toMatch(/no subset "mian"\. Set config_name to one of main, socratic/);
  });
});
