import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type RolloutFileOptions, readRollouts } from "../../src/data/rollout_file.ts";
import type { AppError } from "../../src/lib/errors.ts";
import type { RolloutRecord } from "../../src/rollout/record.ts";
import { assetOf, goldenText } from "./support/files.ts";

const options: RolloutFileOptions = {
  rewardNames: ["correct"],
  vocabSize: 100,
  rolloutSize: 2,
  groupSize: 2,
};

const line = {
  rollout: 0,
  prompt: "1+1=",
  prompt_ids: [5, 6],
  completion: " 2",
  completion_ids: [7, 2],
  rewards: { correct: 1, short: null },
};

const read = (lines: readonly unknown[], changes: Partial<RolloutFileOptions> = {}) =>
  readRollouts(
    assetOf(
      "rollouts.jsonl",
      lines.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"),
    ),
    { ...options, ...changes },
  );

const runs = readdirSync(new URL("../golden/trl/", import.meta.url)).filter((name) => name.startsWith("rl-"));

it.each(runs)("%s: every line of a recorded run is read", async (run) => {
  const config = parse(goldenText(`${run}/config.yaml`)) as {
    batch_size: number;
    steps_per_generation: number;
    num_generations: number;
    rewards: { type: string }[];
  };
  const text = goldenText(`${run}/rollouts.jsonl`);
  const { rollouts, unused } = await readRollouts(assetOf("rollouts.jsonl", text), {
    rewardNames: config.rewards.map(({ type }) => type),
    vocabSize: 1000,
    rolloutSize: config.batch_size * config.steps_per_generation,
    groupSize: config.num_generations,
  });
  const recorded = text
    .trimEnd()
    .split("\n")
    .map((row) => JSON.parse(row) as RolloutRecord);
  expect(unused).toBe(0);
  expect(
    rollouts.flat().map(({ promptIds, completion, completionIds, rewards }) => ({
      prompt_ids: [...promptIds],
      completion,
      completion_ids: [...completionIds],
      rewards,
    })),
  ).toEqual(
    recorded.map(({ prompt_ids, completion, completion_ids, rewards }) => ({
      ...{ prompt_ids, completion, completion_ids },
      rewards: config.rewards.map(({ type }) => rewards[type]),
    })),
  );
});

describe("a file of rollouts", () => {
  it("as a run writes it can be read again", async () => {
    const record: RolloutRecord = {
      ...{ rollout: 3, step: 4, group: 9, row: 4, prompt: [{ role: "user", content: "naïve 🦆?" }] },
      ...{
        prompt_ids: [1, 2],
        completion: "",
        completion_ids: [2],
        rewards: { correct: null, "my reward": -0.5 },
      },
      ...{
        reward: -0.5,
        advantage: 0,
        length: 1,
        truncated: false,
        reference: "17",
        errors: { correct: "no" },
      },
    };
    const { rollouts } = await read([record, record], { rewardNames: ["my reward", "correct"] });
    expect(rollouts[0]?.[1]).toEqual({
      line: 2,
      prompt: record.prompt,
      promptIds: Int32Array.of(1, 2),
      completion: "",
      completionIds: Int32Array.of(2),
      rewards: [-0.5, null],
      reference: "17",
    });
  });

  it("is cut into whole rollouts; what is left over is counted, blank lines are passed over", async () => {
    const other = { ...line, prompt_ids: [8] };
    const { rollouts, unused } = await read([line, line, "", other, other, line]);
    expect(rollouts.map((rollout) => rollout.map((row) => row.line))).toEqual([
      [1, 2],
      [4, 5],
    ]);
    expect(unused).toBe(1);
  });

  it("too short for one rollout is refused", async () => {
    await expect(read([line, line], { rolloutSize: 8 })).rejects.toThrow(
      /has 2 completions, and one rollout of this configuration needs 8/,
    );
  });
});

describe("lines that cannot be used", () => {
  const { completion_ids: _, ...withoutIds } = line;
  it.each<[string, unknown, RegExp]>([
    ["no JSON", "{", /Line 2 is no valid JSON/],
    ["no object", "[1]", /Line 2 is a list, not an object/],
    ["no prompt", { ...line, prompt: 3 }, /Line 2: `prompt` is neither text nor a list/],
    ["no completion", { ...line, completion: null }, /Line 2: `completion` is no text/],
    ["no ids", withoutIds, /Line 2: `completion_ids` is missing/],
    ["ids as text", { ...line, prompt_ids: "5" }, /Line 2: `prompt_ids` is no list/],
    ["empty ids", { ...line, completion_ids: [] }, /Line 2: `completion_ids` is empty/],
    [
      "an id of another vocabulary",
      { ...line, completion_ids: [7, 100] },
      /holds 100; .*from 0 to 99.*another model/,
    ],
    ["half an id", { ...line, completion_ids: [1.5] }, /holds 1.5/],
    ["no rewards", { ...line, rewards: [1] }, /Line 2: `rewards` is no object/],
    [
      "a reward that is not there",
      { ...line, rewards: { corect: 1 } },
      /Line 2: `rewards` has no "correct".*it has corect. Did you mean corect\?/,
    ],
    ["no reward at all", { ...line, rewards: {} }, /it has none/],
    [
      "a reward that is no number",
      { ...line, rewards: { correct: true } },
      /"correct" is true, not a number/,
    ],
    [
      "another prompt in the group",
      { ...line, prompt_ids: [5] },
      /Line 2 has another prompt than line 1; 2 lines/,
    ],
  ])("%s", async (_, bad, message) => {
    await expect(read([line, bad])).rejects.toThrow(message);
    await expect(read([line, bad])).rejects.toMatchObject({ code: "dataset-invalid" });
  });

  it("are all listed", async () => {
    const error = await read([{}, "{", line]).catch((cause: AppError) => cause);
    expect(error).toMatchObject({
      message: expect.stringContaining("1 more lines have problems") as string,
      details: { total: 2, problems: [{ line: 2 }, { line: 1 }] },
    });
  });
});
