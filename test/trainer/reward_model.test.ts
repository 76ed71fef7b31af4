import { describe, expect, it } from "vitest";
import { memoryFolder } from "../../src/host/memory.ts";
import { profileFor } from "../../src/kernels/profile.ts";
import { Random } from "../../src/lib/random.ts";
import type { BaseFormat } from "../../src/model/weights.ts";
import { sum } from "../../src/trainer/memory_plan.ts";
import { planRewardModel, RewardModel } from "../../src/trainer/reward_model.ts";
import { checkPrompts, openRewardModel } from "../../src/trainer/reward_model_files.ts";
import { maxError, testDevice } from "../gpu.ts";
import {
  expectedScores,
  hostOf,
  REWARD_MODELS,
  type RewardFolderChanges,
  type RewardModelName,
  rewardFolder,
} from "./reward_files.ts";

const gpu = await testDevice();
const profile = profileFor(gpu.capabilities);
const expected = await expectedScores();

async function open(
  name: RewardModelName,
  capacity = { N: 256, R: 8 },
  baseFormat: BaseFormat = "stored",
): Promise<RewardModel> {
  const files = await openRewardModel(hostOf(await rewardFolder(name)), name);
  return RewardModel.create(gpu, { files, baseFormat, capacity, profile });
}

const rowsOf = (lengths: readonly number[]) =>
  lengths.map((length, row) => {
    const random = new Random(5, row);
    return Array.from({ length }, () => 3 + random.integer(370));
  });

describe("scores of transformers' sequence classification models", () => {
  it.each(REWARD_MODELS)("%s", async (name) => {
    const model = await open(name);
    expect(expected.texts.map((text) => model.encode(text))).toEqual(expected.texts.map(({ ids }) => ids));
    const { values, cut } = await model.score(expected.texts);
    // f32 against float64.
    expect(maxError(values, expected.scores[name])).toBeLessThan(1e-5);
    expect(cut).toBe(0);
  });
});

describe("a score", () => {
  it("has the same bits alone, among others and over several passes", async () => {
    const rows = rowsOf([30, 1, 17, 40, 9, 33, 2, 21]);
    const alone = await open("gemma3", { N: 40, R: 1 });
    const one: number[] = [];
    for (const row of rows) one.push(...(await alone.scoreIds([row])));
    const many = await (await open("gemma3", { N: 64, R: 3 })).scoreIds(rows);
    const all = await (await open("gemma3", { N: 256, R: 8 })).scoreIds([...rows].reverse());
    expect(many).toEqual(one);
    expect(all.reverse()).toEqual(one);
    expect(new Set(one).size).toBe(rows.length);
  });

  it("is that of the last tokens where a row is longer than the model's positions or a pass", async () => {
    const [row = []] = rowsOf([150]);
    for (const [capacity, most] of [
      [{ N: 256, R: 2 }, 128],
      [{ N: 50, R: 2 }, 50],
    ] as const) {
      const model = await open("gpt2", capacity);
      expect(model.maxLength).toBe(most);
      expect(await model.scoreIds([row])).toEqual(await model.scoreIds([row.slice(-most)]));
    }
  });

  it("counts the texts that were cut", async () => {
    const model = await open("qwen3", { N: 24, R: 2 });
    const lengths = expected.texts.map(({ ids }) => ids.length);
    const { cut } = await model.score(expected.texts);
    expect(cut).toBe(lengths.filter((length) => length > 24).length);
    expect(cut).toBeGreaterThan(0);
  });

  it("in four bits is that of weights that made the round trip, and another than in 32", async () => {
    const rows = rowsOf([20, 12, 31]);
    const nf4 = await (await open("qwen3", undefined, "nf4")).scoreIds(rows);
    const roundTrip = await (await open("qwen3", undefined, "nf4-roundtrip")).scoreIds(rows);
    const stored = await (await open("qwen3")).scoreIds(rows);
    expect(maxError(nf4, roundTrip)).toBeLessThan(1e-6);
    expect(maxError(nf4, stored)).toBeGreaterThan(1e-3);
  });
});

describe("the memory of a reward model", () => {
  it.each<[BaseFormat, number]>([
    ["stored", 0],
    // Parameters of dispatches that are the same share a place, and of NF4 weights they hold a number of their content.
    ["nf4", 0.02],
  ])("is planned: %s", async (baseFormat, tolerance) => {
    const files = await openRewardModel(hostOf(await rewardFolder("qwen3")), "qwen3");
    const options = { files, baseFormat, capacity: { N: 256, R: 8 }, profile };
    const before = gpu.counts.bytes;
    await RewardModel.create(gpu, options);
    const taken = gpu.counts.bytes - before;
    const { buffers, arena } = await planRewardModel(gpu.capabilities, options);
    const planned = sum([...buffers, ...arena]);
    expect(Math.abs(planned - taken)).toBeLessThanOrEqual(tolerance * taken);
  });
});

describe("what is no reward model is refused", () => {
  it.each<[string, RewardFolderChanges, RegExp]>([
    ["three labels", { score: [3, 16] }, /has 3 labels, and a reward is one number/],
    ["no head", { score: null }, /has no score\.weight/],
    ["another width", { score: [1, 12] }, /\(1, 12\), but config\.json makes it \(1, 16\)/],
    [
      "a generative model",
      { config: { architectures: ["Qwen3ForCausalLM"] } },
      /is a Qwen3ForCausalLM, which gives no score\. A reward model is a sequence classification model/,
    ],
    ["no architectures", { config: { architectures: null } }, /has no architectures/],
    [
      "another architecture",
      { config: { architectures: ["BertForSequenceClassification"], model_type: "bert" } },
      /reward model judge cannot be used\. Models of type "bert" are not supported\. .*Supported architectures: qwen3/,
    ],
    [
      "a table that is too small",
      { config: { vocab_size: 300 } },
      /tokenizer of \d+ tokens and a model of 300/,
    ],
    ["no tokenizer", { without: ["tokenizer.json"] }, /tokenizer\.json/],
  ])("%s", async (_, changes, message) => {
    const host = hostOf(await rewardFolder("qwen3", changes));
    await expect(openRewardModel(host, "judge")).rejects.toThrow(message);
  });

  it("an adapter", async () => {
    const host = hostOf(memoryFolder("adapter", { "adapter_config.json": new Uint8Array() }));
    await expect(openRewardModel(host, "judge")).rejects.toMatchObject({
      code: "model-invalid",
      message: expect.stringContaining("judge is an adapter"),
      details: { key: "reward_model_name" },
    });
  });

  it("one without a chat template, for conversations", async () => {
    const folder = await rewardFolder("qwen3", { without: ["chat_template.jinja"] });
    const files = await openRewardModel(hostOf(folder), "judge");
    expect(() => checkPrompts(files, ["plain text"])).not.toThrow();
    expect(() => checkPrompts(files, [[{ role: "user", content: "Hi" }]])).toThrow(/has no chat template/);
  });
});
