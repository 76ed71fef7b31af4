import { describe, expect, it } from "vitest";
import { resolveSettings, reviewText } from "../../src/worker/settings.ts";
import grpoYaml from "../config/fixtures/summary_grpo.txt?raw";
import sftYaml from "../config/fixtures/summary_sft.txt?raw";

/** What the page shows of the two configuration files of AlignTune's summary. */
describe("the review of config/grpo_training.yaml", () => {
  it("points at the line whose indentation was lost, and offers the repair", () => {
    const { problems, given, text } = reviewText(grpoYaml, false);
    expect(problems).toEqual([
      expect.objectContaining({ line: 20, canRepair: true, message: expect.stringMatching(/indentation/) }),
    ]);
    expect(given).toEqual({});
    expect(text).toBe(grpoYaml);
  });

  it("repaired, shows the text that was read, the line, the method and every setting", async () => {
    const review = reviewText(grpoYaml, true);
    expect(review.problems).toEqual([]);
    expect(review.text).toBe(grpoYaml.replace("\n weight: 1.0", "\n   weight: 1.0"));
    expect(review.changed.filter(({ path }) => path === "")).toEqual([
      {
        ...{ path: "", line: 20, from: " weight: 1.0", to: "   weight: 1.0" },
        why: "The indentation did not fit and was repaired.",
      },
    ]);
    expect(review.given).toMatchObject({
      ...{
        algorithm: "grpo",
        model_name: "Qwen/Qwen3-0.6B",
        dataset_name: "openai/gsm8k",
        config_name: "main",
      },
      ...{ backend: "trl", batch_size: 8, max_steps: 100, learning_rate: 2e-4, max_seq_length: 512 },
      ...{ column_mapping: { question: "prompt", answer: "response" }, output_dir: "./output/grpo_model" },
      rewards: [{ type: "accuracy", weight: 1, params: {} }],
    });
    // Looked at again, the repaired text needs nothing.
    expect(reviewText(review.text, false)).toMatchObject({ problems: [], given: review.given });
    const resolved = await resolveSettings({ given: review.given, recipe: null });
    expect(resolved).toMatchObject({ algorithm: "grpo", issues: [] });
    expect(resolved.values["num_generations"]).toEqual({ value: 8, source: "default" });
  });
});

describe("the review of config/sft_training.yaml", () => {
  it("shows that it is understood, whole, without a method of its own", async () => {
    const review = reviewText(sftYaml, false);
    expect(review.problems).toEqual([]);
    expect(review.given).toEqual({
      ...{ model_name: "Qwen/Qwen3-0.6B", dataset_name: "openai/gsm8k", config_name: "main", backend: "trl" },
      ...{ output_dir: "./output/sft_model", batch_size: 8, num_epochs: 3, learning_rate: 2e-4 },
      ...{ max_seq_length: 512, task_type: "instruction_following", gradient_accumulation_steps: 4 },
      ...{ warmup_ratio: 0.1, column_mapping: { question: "instruction", answer: "response" } },
    });
    expect(review.used).toContainEqual({ path: "subset", key: "config_name", value: "main", line: 11 });
    const resolved = await resolveSettings({ given: review.given, recipe: null });
    expect(resolved).toMatchObject({ algorithm: "sft", issues: [] });
  });

  it("says what is missing when a needed line is", async () => {
    const { given } = reviewText(sftYaml.replace(/^model_name.*\n/, ""), false);
    const { issues } = await resolveSettings({ given, recipe: null });
    expect(issues).toEqual([
      { path: "model_name", message: expect.stringMatching(/model_name is missing: say which model/) },
    ]);
  });
});
