import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDataset } from "../../src/trainer/load_dataset.ts";
import { type Done, FILES, openSummary, type Summary } from "./summary.ts";

let summary: Summary;
beforeAll(async () => {
  summary = await openSummary();
});
afterAll(() => summary.close());

const REFUSED = /chosen and rejected.*processing_fn that makes prompt, chosen and rejected/;
const CONFIG = {
  ...{ model_name: "Qwen/Qwen3-0.6B", dataset_name: "openai/gsm8k", config_name: "main", algorithm: "dpo" },
  ...{ backend: "trl", output_dir: "./output/dpo_model", batch_size: 8, max_steps: 100, learning_rate: 1e-5 },
};

describe("Python dictionary configuration: dpo on gsm8k, which has no pairs", () => {
  it.each([
    ["as a parameter", { config: CONFIG }],
    ["unpacked", { ...CONFIG }],
    ["with overrides", { config: CONFIG, batch_size: 16 }],
  ])("is refused, naming the columns and processing_fn (%s)", async (_, options) => {
    const refused = summary.rl(options);
    await expect(refused).rejects.toMatchObject({ code: "dataset-invalid" });
    await expect(refused).rejects.toThrow(REFUSED);
  });

  it("is refused without batch_size and steps too (best practices)", async () => {
    const { batch_size: _, max_steps: __, learning_rate: ___, ...short } = CONFIG;
    await expect(summary.rl({ ...short, output_dir: "./output/model" })).rejects.toThrow(REFUSED);
  });
});

function preprocess(example: { readonly question: string; readonly answer: string }) {
  return { prompt: example.question, chosen: example.answer, rejected: "None, 0" };
}

/** The pairs that the run was given, and that it learns to tell them apart. */
async function expectPairs({ trainer, metrics }: Done): Promise<void> {
  const { set, train } = await loadDataset(summary.host, trainer.config, true, false);
  expect(set.format.id).toBe("preference");
  expect(train).toHaveLength(11);
  for (const example of train) {
    expect(example).toMatchObject({
      ...{ kind: "preference", rejected: "None, 0" },
      ...{ prompt: example.row["question"], chosen: example.row["answer"] },
    });
  }
  // Before the first step the policy is the reference: a loss of ln 2 and no margin.
  expect(metrics[0]?.["loss"]).toBeCloseTo(Math.LN2, 5);
  expect(metrics.at(-1)?.["rewards/margins"]).toBeGreaterThan(0);
  expect(metrics.at(-1)?.["loss"]).toBeLessThan(Math.LN2);
}

describe("custom data processing: preprocess_function makes pairs", () => {
  // A larger rate, so that a few steps show; the example's own is tried with one step.
  const FEW = { learning_rate: 2e-3, warmup_ratio: 0, max_steps: 3, batch_size: 4 };

  it("as a function of the program, beside a configuration", async () => {
    const done = await summary.train("rl", { config: CONFIG, processing_fn: preprocess, ...FEW });
    await expectPairs(done);
    expect(done.trainer.origins["batch_size"]).toMatchObject({ value: 4, source: "override" });
    expect(done.trainer.origins["output_dir"]).toMatchObject({ source: "file" });
  });

  it("as the Python that stands there, in a file", async () => {
    const { max_steps: _, learning_rate: __, ...example } = CONFIG;
    const processing_fn = `${join(FILES, "prep.py")}#preprocess_function`;
    await expectPairs(await summary.train("rl", { ...example, processing_fn, ...FEW }));
  });

  it("runs on both backends with the example's own values", async () => {
    for (const backend of ["trl", "unsloth"]) {
      const { max_steps: _, ...example } = CONFIG;
      const options = { ...example, backend, processing_fn: preprocess, max_steps: 1 };
      const { metrics } = await summary.train("rl", options);
      expect(metrics[0]?.["loss"]).toBeCloseTo(Math.LN2, 5);
    }
  });
});
