import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createRlTrainer, createSftTrainer } from "../../src/api/create_trainer.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { createNodeHost } from "../../src/host/node.ts";

const output = await mkdtemp(join(tmpdir(), "trainer-"));
const host = createNodeHost({ publicDir: join(import.meta.dirname, "../../public"), runDir: () => output });

afterAll(() => rm(output, { recursive: true }));

const CONFIG = `model:
  name_or_path: aligntune-tiny
  max_seq_length: 64
datasets:
  - name: ahoy
train:
  per_device_batch_size: 4
  max_steps: 2
  learning_rate: '3e-3'
`;

describe("createSftTrainer", () => {
  it("trains a configuration with overrides beside it, evaluates, answers and saves", async () => {
    const lines: number[] = [];
    const trainer = await createSftTrainer({
      config: CONFIG,
      host,
      max_steps: 3,
      max_eval_samples: 4,
      on: { metrics: (step) => lines.push(step) },
    });
    expect(trainer.totalSteps).toBe(3);
    expect(trainer.origins["max_steps"]?.source).toBe("override");
    expect(trainer.origins["learning_rate"]).toMatchObject({ source: "file", value: 0.003 });
    expect(trainer.origins["lora_rank"]?.source).toBe("default");
    const outcome = await trainer.train();
    expect(outcome).toMatchObject({ state: "done", step: 3 });
    expect(lines).toEqual([1, 2, 3]);
    expect((await trainer.evaluate())["eval_loss"]).toBeGreaterThan(0);
    const answers = await trainer.predict(["What animal is Leo?", "Hi"], { max_new_tokens: 8 });
    expect(answers).toHaveLength(2);
    expect(answers.every((answer) => answer.length > 0)).toBe(true);
    const names = (await trainer.saveModel()).map(({ name }) => name);
    expect(names).toContain("adapter_model.safetensors");
    trainer.close();
  });

  it("hands out no part of PPO's value model beside the weights that it trained", async () => {
    const trainer = await createRlTrainer({
      ...{ host, algorithm: "ppo", model_name: "aligntune-tiny", dataset_name: "arithmetic" },
      // Prompts that are streamed, too.
      ...{
        streaming: true,
        peft_enabled: false,
        max_steps: 1,
        batch_size: 2,
        max_completion_length: 4,
        max_seq_length: 32,
      },
    });
    await trainer.train();
    const file = (await trainer.saveModel()).find(({ name }) => name === "model.safetensors");
    const names = file ? [...(await readSafetensors(file)).tensors.keys()] : [];
    expect(names).toContain("model.embed_tokens.weight");
    expect(names.filter((name) => name.startsWith("value"))).toEqual([]);
    trainer.close();
  });

  it("refuses what it does not know, with the nearest name", async () => {
    const settings = { config: CONFIG, host, learning_rat: 1 };
    await expect(createSftTrainer(settings)).rejects.toThrow(/learning_rate/);
  });

  it("refuses an algorithm of another trainer", async () => {
    await expect(createSftTrainer({ config: CONFIG, host, algorithm: "dpo" })).rejects.toThrow(
      /createSftTrainer trains sft/,
    );
  });
});
