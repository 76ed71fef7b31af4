import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createRlTrainer } from "../../src/api/create_trainer.ts";
import type { Settings } from "../../src/config/fields.ts";
import type { Turns } from "../../src/data/example.ts";
import type { Host } from "../../src/host/host.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { profileFor } from "../../src/kernels/profile.ts";
import type { RolloutRecord } from "../../src/rollout/record.ts";
import { RewardModel } from "../../src/trainer/reward_model.ts";
import { openRewardModel } from "../../src/trainer/reward_model_files.ts";
import { maxError, testDevice } from "../gpu.ts";
import { hostOf, type RewardFolderChanges, rewardFolder } from "./reward_files.ts";

const output = await mkdtemp(join(tmpdir(), "reward-"));
afterAll(() => rm(output, { recursive: true }));
const node = createNodeHost({ publicDir: join(import.meta.dirname, "../../public"), runDir: () => output });

/** The policy is the embedded model; the reward model has another architecture, tokenizer and template. */
async function hostWith(changes: RewardFolderChanges = {}): Promise<Host> {
  const folder = await rewardFolder("gpt2", changes);
  return { ...node, openModel: async (name) => (name === "judge" ? folder : node.openModel(name)) };
}

const SETTINGS: Settings = {
  ...{ algorithm: "ppo", model_name: "aligntune-tiny", dataset_name: "arithmetic", max_samples: 12 },
  ...{ batch_size: 4, max_seq_length: 48, max_completion_length: 8, max_steps: 3, num_ppo_epochs: 1 },
  ...{ reward_model_name: "judge", save_strategy: "no", learning_rate: 1e-3, logging_steps: 1 },
};

async function runWith(settings: Settings) {
  const records: RolloutRecord[] = [];
  const lines: Readonly<Record<string, number>>[] = [];
  const trainer = await createRlTrainer({
    ...SETTINGS,
    host: await hostWith(),
    ...settings,
    on: {
      metrics: (_, values) => void lines.push(values),
      rollout: (some) => void records.push(...some),
    },
  });
  const outcome = await trainer.train();
  trainer.close();
  return { records, lines, outcome, config: trainer.config };
}

/** What the reward model says of kept rollouts, asked again by itself. */
async function scoresOf(records: readonly RolloutRecord[]): Promise<number[]> {
  const gpu = await testDevice();
  const files = await openRewardModel(hostOf(await rewardFolder("gpt2")), "judge");
  const profile = profileFor(gpu.capabilities);
  const model = await RewardModel.create(gpu, {
    ...{ files, baseFormat: "stored", capacity: { N: 128, R: 1 }, profile },
  });
  const texts = records.map(({ prompt, completion }) => ({ prompt: prompt as Turns, completion }));
  return (await model.score(texts)).values;
}

const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe("PPO with a reward model", () => {
  it("learns from its score alone where no rewards are given", async () => {
    const { records, lines, outcome } = await runWith({});
    expect(outcome).toMatchObject({ state: "done", step: 3 });
    expect(records).toHaveLength(12);
    const scores = records.map(({ rewards }) => rewards["reward_model"] ?? Number.NaN);
    expect(maxError(scores, await scoresOf(records))).toBe(0);
    expect(records.map(({ reward }) => reward)).toEqual(scores);
    expect(records.map(({ rewards }) => Object.keys(rewards))).toEqual(records.map(() => ["reward_model"]));
    lines.slice(0, 3).forEach((line, step) => {
      const own = scores.slice(4 * step, 4 * step + 4);
      expect(line["rewards/reward_model/mean"]).toBeCloseTo(meanOf(own), 6);
      expect(line["rewards/reward_model/std"]).toBeGreaterThan(0);
      expect(line["objective/scores"]).toBeCloseTo(meanOf(own), 6);
    });
  });

  it("adds its score to the rewards that are given", async () => {
    const rewards = [{ type: "length", weight: 2, params: { min_length: 1, max_length: 4 } }];
    const { records, config } = await runWith({ rewards, max_steps: 1, backend: "unsloth" });
    expect(config).toMatchObject({ rewards: [{ type: "length" }, { type: "reward_model", weight: 1 }] });
    expect(records).toHaveLength(4);
    for (const { rewards: own, reward } of records) {
      expect(Object.keys(own)).toEqual(["length", "reward_model"]);
      expect(reward).toBeCloseTo(2 * (own["length"] ?? Number.NaN) + (own["reward_model"] ?? Number.NaN), 9);
    }
    // In four bits, as the policy.
    const scores = records.map(({ rewards: own }) => own["reward_model"] ?? Number.NaN);
    expect(maxError(scores, await scoresOf(records))).toBeGreaterThan(1e-3);
  });

  it.each<[string, RewardFolderChanges, object]>([
    ["a generative model", { config: { architectures: ["GPT2LMHeadModel"] } }, { code: "model-invalid" }],
    ["no chat template", { without: ["chat_template.jinja"] }, { code: "template-invalid" }],
  ])("is refused before anything is allocated: %s", async (_, changes, error) => {
    const host = await hostWith(changes);
    await expect(createRlTrainer({ ...SETTINGS, host })).rejects.toMatchObject(error);
  });
});
