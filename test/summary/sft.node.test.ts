import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { loadDataset } from "../../src/trainer/load_dataset.ts";
import sftYaml from "../config/fixtures/summary_sft.txt?raw";
import { openSummary, SMALL, type Summary } from "./summary.ts";

let summary: Summary;
beforeAll(async () => {
  summary = await openSummary();
});
afterAll(() => summary.close());

describe("quick start: supervised fine-tuning", () => {
  const EXAMPLE = {
    model_name: "Qwen/Qwen3-0.6B",
    dataset_name: "gsm8k",
    backend: "trl",
    output_dir: "./output/sft_model",
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
  };

  it("trains all weights of the model for the steps that it says, on question and answer", async () => {
    const { save_strategy } = SMALL;
    const { trainer, metrics } = await summary.train("sft", {
      ...EXAMPLE,
      save_strategy,
      max_seq_length: 512,
    });
    expect(trainer.totalSteps).toBe(5);
    expect(metrics.length).toBe(5);
    for (const { loss, grad_norm } of metrics) {
      expect(loss).toBeGreaterThan(0);
      expect(grad_norm).toBeGreaterThan(0);
    }
    expect(trainer.config).toMatchObject({
      ...{ algorithm: "sft", config_name: "main", peft_enabled: false, load_in_4bit: false, batch_size: 2 },
      ...{ learning_rate: 1e-5, max_steps: 5, run_name: "sft_training_run", lr_scheduler: "cosine" },
    });
    expect(trainer.notes).toEqual(
      expect.arrayContaining([
        "use_unsloth is not used. The setting backend decides this.",
        "max_steps (5) is given as well and wins over num_epochs.",
      ]),
    );
    // The subset was used: nothing says that it was not.
    expect(trainer.notes.filter((note) => note.startsWith("config_name"))).toEqual([]);
    const { set, train, part } = await loadDataset(summary.host, trainer.config, true, false);
    expect(part).toMatchObject({ subset: "main", split: "train" });
    expect(set.format.id).toBe("instruction");
    expect(train[0]).toMatchObject({
      prompt: [{ role: "user", content: train[0]?.row["question"] }],
      completion: [{ role: "assistant", content: train[0]?.row["answer"] }],
    });
    const saved = await trainer.saveModel();
    const names = saved.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["model.safetensors", "config.json", "tokenizer.json"]));
    expect(names).not.toContain("adapter_model.safetensors");
    const asset = saved.find(({ name }) => name === "model.safetensors");
    const before = await (await summary.host.openModel("Qwen/Qwen3-0.6B")).open("model.safetensors");
    if (!asset || !before) throw new Error("a model has weights");
    const bytesOf = async (file: typeof asset) => {
      const tensor = (await readSafetensors(file)).tensors.get("model.layers.0.mlp.down_proj.weight");
      return tensor && Buffer.from(await tensor.bytes()).toString("base64");
    };
    expect(await bytesOf(asset)).not.toBe(await bytesOf(before));
  });

  it("has the summary's defaults where nothing is said", async () => {
    const trainer = await summary.sft({
      model_name: "Qwen/Qwen3-0.6B",
      dataset_name: "gsm8k",
      subset: "main",
    });
    expect(trainer.config).toMatchObject({
      ...{ backend: "trl", batch_size: 8, learning_rate: 1e-5, max_seq_length: 512 },
      ...{ num_epochs: 1, max_steps: null },
    });
  });

  it("asks for the subset, naming those there are", async () => {
    const { subset: _, ...without } = EXAMPLE;
    await expect(summary.sft(without)).rejects.toMatchObject({
      code: "config-invalid",
      message: expect.stringMatching(/openai\/gsm8k has several subsets.*config_name: main, socratic/),
    });
  });

  it("says which column is missing when the mapping names one that is not there", async () => {
    const wrong = { ...EXAMPLE, column_mapping: { questions: "instruction", answer: "response" } };
    await expect(summary.sft(wrong)).rejects.toMatchObject({
      code: "dataset-invalid",
      message: expect.stringMatching(/questions.*Its columns are question, answer\. Did you mean question/),
    });
  });
});

describe("configuration files: config/sft_training.yaml", () => {
  it("trains as it stands there", async () => {
    const { trainer, metrics } = await summary.train(
      "sft",
      { config: sftYaml, max_seq_length: 96, gradient_accumulation_steps: 2 },
      1,
    );
    expect(trainer.config).toMatchObject({
      ...{ algorithm: "sft", config_name: "main", batch_size: 8, num_epochs: 3, learning_rate: 2e-4 },
      ...{ warmup_ratio: 0.1, column_mapping: { question: "instruction", answer: "response" } },
    });
    expect(trainer.origins["warmup_ratio"]?.source).toBe("file");
    expect(trainer.origins["max_seq_length"]?.source).toBe("override");
    // 11 rows and one held out: the dataset has a test split, and no validation split. Two batches a step, three epochs.
    expect(trainer.totalSteps).toBe(3);
    expect(metrics[0]?.["loss"]).toBeGreaterThan(0);
  });
});
