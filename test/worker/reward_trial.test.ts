import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createNodeHost } from "../../src/host/node.ts";
import { type ScoreAnswer, type TriedAnswer, tryReward } from "../../src/worker/reward_trial.ts";
import { requireConfig } from "../../src/worker/settings.ts";

const host = createNodeHost({
  publicDir: fileURLToPath(new URL("../../public", import.meta.url)),
  runDir: () => "unused",
});
const given = {
  algorithm: "grpo",
  model_name: "aligntune-tiny",
  dataset_name: "arithmetic",
  max_seq_length: 64,
  max_completion_length: 8,
};
const { config } = await requireConfig({ given, recipe: null });

/** Tells what it was asked, and answers as it is told. */
function scorer(answer: Awaited<ReturnType<ScoreAnswer>>): { score: ScoreAnswer; asked: TriedAnswer[] } {
  const asked: TriedAnswer[] = [];
  const score: ScoreAnswer = async (_reward, item) => {
    asked.push(item);
    return answer;
  };
  return { score, asked };
}

describe("a reward on one answer", () => {
  it("sees the row as in training: prompt, reference, columns, tokens", async () => {
    const { score, asked } = scorer({ value: 1, logs: ["seen"] });
    const result = await tryReward(host, config, { reward: 0, row: 0, completion: "#### 176" }, score);
    expect(result).toMatchObject({ value: 1, error: null, logs: ["seen"] });
    expect(asked[0]).toMatchObject({
      prompt: [{ role: "user", content: "What is 99+77?" }],
      completion: "#### 176",
      reference: "176",
      row: { answer: "176" },
      truncated: false,
    });
    expect(asked[0]?.completionIds.length).toBeGreaterThan(1);
  });

  it("says that a long answer would have been cut off", async () => {
    const { score, asked } = scorer({ value: 0, logs: [] });
    await tryReward(host, config, { reward: 0, row: 0, completion: "1 2 3 4 5 6 7 8 9 1 2 3" }, score);
    expect(asked[0]?.truncated).toBe(true);
  });

  it("hands on where the code failed", async () => {
    const { score } = scorer({
      value: null,
      logs: [],
      error: { kind: "threw", message: "TypeError: x is undefined", line: 4 },
    });
    const result = await tryReward(host, config, { reward: 0, row: 0, completion: "" }, score);
    expect(result.error).toEqual({ message: "TypeError: x is undefined", line: 4 });
  });

  it("is refused for a reward or a row that is not there", async () => {
    const { score } = scorer({ value: 1, logs: [] });
    const missing = tryReward(host, config, { reward: 3, row: 0, completion: "" }, score);
    await expect(missing).rejects.toMatchObject({ code: "config-invalid" });
    const row = tryReward(host, config, { reward: 0, row: 99_999, completion: "" }, score);
    await expect(row).rejects.toMatchObject({ code: "dataset-invalid" });
  });
});
