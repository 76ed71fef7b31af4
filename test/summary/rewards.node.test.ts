import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RolloutRecord } from "../../src/rollout/record.ts";
import { FILES, openSummary, type Summary } from "./summary.ts";

let summary: Summary;
beforeAll(async () => {
  summary = await openSummary();
});
afterAll(() => summary.close());

const GRPO = {
  ...{ model_name: "Qwen/Qwen3-0.6B", dataset_name: "openai/gsm8k", config_name: "main" },
  ...{ algorithm: "grpo", batch_size: 4, max_steps: 1 },
};
const custom = (reward_function: unknown, weight = 1.0) => ({
  ...{ type: "custom", weight, params: { reward_function } },
});
const python = (name: string) => `${join(FILES, "rewards.py")}#${name}`;

/** The rewards of the summary, in JavaScript. */
function my_math_reward(answer: string): number {
  return /\d/.test(answer) ? 1 : 0;
}
function accuracy_reward(answer: string, reference?: string): number {
  return reference && answer.trim() === reference.trim() ? 1 : 0;
}
function length_penalty(answer: string): number {
  const most = 200;
  return answer.length > most ? Math.max(0, 1 - (answer.length - most) / most) : 1;
}

describe("a custom reward", () => {
  const expectNumbers = (records: readonly RolloutRecord[]) => {
    expect(records).toHaveLength(4);
    for (const { completion, rewards, reward, errors } of records) {
      expect(errors).toBeUndefined();
      expect(rewards).toEqual({ my_math_reward: /\d/.test(completion) ? 1 : 0 });
      expect(reward).toBe(rewards["my_math_reward"]);
    }
  };

  it("as a function of the program, on unsloth", async () => {
    const rewards = [custom(my_math_reward)];
    const options = { ...GRPO, backend: "unsloth", output_dir: "./output/grpo_custom_reward", rewards };
    const { trainer, records } = await summary.train("rl", options);
    expectNumbers(records);
    expect(trainer.config).toMatchObject({ backend: "unsloth", load_in_4bit: true, num_generations: 4 });
  });

  it("as the Python that stands there, on gspo and unsloth, which works here", async () => {
    const rewards = [custom(python("my_math_reward"))];
    const { records, metrics } = await summary.train("rl", {
      ...{ ...GRPO, algorithm: "gspo", backend: "unsloth", rewards, steps_per_generation: 1 },
    });
    expectNumbers(records);
    expect(metrics[0]?.["rewards/my_math_reward/mean"]).toBeTypeOf("number");
  });

  it("receives the answer, its reference, the prompt and every column", async () => {
    const seen: unknown[][] = [];
    const reward = (...values: unknown[]) => {
      seen.push(values);
      return seen.length;
    };
    const { records } = await summary.train("rl", { ...GRPO, rewards: [custom(reward)] });
    expect(seen).toHaveLength(4);
    seen.forEach(([answer, reference, more], i) => {
      expect(answer).toBe(records[i]?.completion);
      expect(reference).toBe(records[i]?.reference);
      expect(reference).toMatch(/#### \d/);
      expect(more).toMatchObject({
        prompt: records[i]?.prompt,
        question: expect.any(String),
        answer: reference,
      });
    });
    const files = [custom(python("sees_reference"))];
    const mapped = { ...GRPO, rewards: files, column_mapping: { question: "prompt", answer: "response" } };
    const { records: scored } = await summary.train("rl", mapped);
    expect(scored.map(({ rewards, errors }) => errors ?? rewards)).toEqual(
      scored.map(() => ({ sees_reference: 1 })),
    );
  });
});

describe("several rewards with weights", () => {
  const expectWeighted = (records: readonly RolloutRecord[]) => {
    expect(records).toHaveLength(4);
    for (const { completion, reference, rewards, reward } of records) {
      const accuracy = accuracy_reward(completion, reference ?? undefined);
      const length = length_penalty(completion);
      expect(rewards).toEqual({ accuracy_reward: accuracy, length_penalty: length });
      expect(reward).toBeCloseTo(0.7 * accuracy + 0.3 * length, 12);
    }
    // Answers of six tokens are short: what is left of the sum is the second weight.
    expect(records.some(({ reward }) => Math.abs((reward ?? 0) - 0.3) < 1e-12)).toBe(true);
  };
  const MULTI = { ...GRPO, backend: "trl", output_dir: "./output/grpo_multi_reward" };

  it("as functions of the program", async () => {
    const rewards = [custom(accuracy_reward, 0.7), custom(length_penalty, 0.3)];
    const { trainer, records, metrics } = await summary.train("rl", { ...MULTI, rewards });
    expectWeighted(records);
    expect(trainer.config).toMatchObject({ rewards: [{ weight: 0.7 }, { weight: 0.3 }] });
    const mean = records.reduce((sum, { reward }) => sum + (reward ?? 0), 0) / records.length;
    expect(metrics[0]?.["reward"]).toBeCloseTo(mean, 6);
  });

  it("adds weight times value, of each that is not zero", async () => {
    const hasReference = (_: string, reference: string) => (/#### \d$/.test(reference) ? 1 : 0);
    const rewards = [custom(hasReference, 0.7), custom(length_penalty, 0.3), custom(() => 2, -0.25)];
    const { records } = await summary.train("rl", { ...MULTI, rewards });
    for (const { reward } of records) expect(reward).toBeCloseTo(0.7 + 0.3 - 0.5, 12);
  });

  it("as Python, with its indentation", async () => {
    const rewards = [custom(python("accuracy_reward"), 0.7), custom(python("length_penalty"), 0.3)];
    expectWeighted((await summary.train("rl", { ...MULTI, rewards })).records);
  });

  it("as Python without its indentation, as the page has it: repaired, and said", async () => {
    const flattened = custom(`${join(FILES, "flattened.py")}#accuracy_reward`, 0.7);
    const rewards = [flattened, custom(python("length_penalty"), 0.3)];
    const { records, trainer } = await summary.train("rl", { ...MULTI, rewards });
    expectWeighted(records);
    expect(trainer.notes).toContain(
      'accuracy_reward: Line 4, "return 1.0", was moved into the block that the line before it opens.',
    );
  });
});
