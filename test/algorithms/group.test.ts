import { describe, expect, it } from "vitest";
import { completionRow } from "../../src/algorithms/rollout.ts";
import { overlongPenalty } from "../../src/losses/overlong.ts";
import type { BatchRow } from "../../src/model/batch_tables.ts";
import { relativeError, testDevice } from "../gpu.ts";
import { tinyModel } from "../tiny_model.ts";
import { bits, GO, trained } from "../trainer/tiny_run.ts";
import {
  gradientsByName,
  lastGradient,
  logged,
  type Scripted,
  scripted,
  type TinyMethod,
  tinyGroup,
} from "./tiny_method.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");

type Settings = Readonly<Record<string, unknown>>;
type Script = (group: number, sample: number) => Scripted;

/** Lengths and rewards that differ everywhere. */
const plain: Script = (group, sample) => ({
  length: 1 + ((5 * group + 3 * sample) % 12),
  rewards: [((7 * group + 4 * sample) % 9) / 3],
});
/** The same with one reward for all. */
const flat: Script = (group, sample) => ({ ...plain(group, sample), rewards: [2] });

const open = (settings: Settings, script = plain) =>
  tinyGroup(gpu, { tiny, settings, source: scripted(tiny, script) });

async function trainedWith(settings: Settings, script = plain): Promise<TinyMethod> {
  const made = await open(settings, script);
  await made.run.train(GO);
  return made;
}

async function gradientOf(settings: Settings, script = plain): Promise<Float32Array> {
  return lastGradient(await trainedWith({ beta: 0, ...settings }, script));
}

/** So small that a clip range of 1 to 1 is left in f32: every ratio but 1 is clipped. */
const NARROW = { epsilon: 1e-12, epsilon_high: 1e-12 };
const CLIP_RATIOS = ["low_mean", "high_mean", "region_mean", "low_min", "high_max"];

describe("the old policy and the reference at the start", () => {
  it.each([
    ["is the new policy", { batch_size: 8 }],
    ["is computed, because the rollout is used twice", { batch_size: 8, num_iterations: 2 }],
    ["is computed, for one ratio a row", { batch_size: 8, num_iterations: 2, ...{ algorithm: "gspo" } }],
  ])("ratios are exactly 1 and kl is exactly 0: the old policy %s", async (_, given) => {
    const settings = { ...given, beta: 0.04, steps_per_generation: 1, max_steps: 2, ...NARROW };
    const { log } = await trainedWith(settings);
    expect(log[0]?.["kl"]).toBe(0);
    for (const name of CLIP_RATIOS) expect(log[0]?.[`clip_ratio/${name}`], name).toBe(0);
    expect(log[0]?.["grad_norm"]).toBeGreaterThan(0);
    expect(log[1]?.["kl"]).toBeGreaterThan(0);
    if ("num_iterations" in given) expect(log[1]?.["clip_ratio/region_mean"]).toBeGreaterThan(0);
  });

  it("makes no difference to the first gradient whether the old policy is computed", async () => {
    const settings = { batch_size: 8, beta: 0.04 };
    const [known, computed] = [
      await gradientOf(settings),
      await gradientOf({ ...settings, num_iterations: 2 }),
    ];
    expect(bits(Float32Array.from(computed))).toEqual(bits(Float32Array.from(known)));
  });
});

describe("rewards and advantages", () => {
  it("learns nothing at all from groups whose rewards are equal", async () => {
    const made = await open({ batch_size: 8, beta: 0, max_steps: 2 }, flat);
    const before = await trained(made.engine);
    await made.run.train(GO);
    expect(logged(made, "grad_norm")).toEqual([0, 0]);
    expect(logged(made, "frac_reward_zero_std")).toEqual([1, 1]);
    expect(bits(await trained(made.engine))).toEqual(bits(before));
  });

  it("leaves a completion that no reward applied to out of mean and gradient", async () => {
    const script: Script = (group, sample) => ({
      ...plain(group, sample),
      rewards: [sample === 2 ? null : sample],
    });
    const made = await trainedWith({ scale_rewards: "none" }, script);
    expect(made.rollouts.map(({ reward }) => reward)).toEqual([0, 1, null, 3]);
    expect(made.rollouts.map(({ advantage }) => advantage)).toEqual([0 - 4 / 3, 1 - 4 / 3, 0, 3 - 4 / 3]);
    expect(logged(made, "reward")).toEqual([4 / 3]);
    // What it says makes no difference: nothing of it is learned.
    const other: Script = (group, sample) => ({ ...script(group, sample), salt: sample === 2 ? 1 : 0 });
    expect(await gradientOf({ scale_rewards: "none" }, other)).toEqual(
      await gradientOf({ scale_rewards: "none" }, script),
    );
  });

  it("takes the overlong penalty into the reward", async () => {
    const settings = { max_completion_length: 12, overlong_penalty: true, overlong_buffer: 6 };
    const made = await trainedWith({ batch_size: 8, ...settings });
    const penalties = made.rollouts.map(({ length }) =>
      overlongPenalty(length, { maxCompletionLength: 12, buffer: 6 }),
    );
    expect(new Set(penalties).size).toBeGreaterThan(2);
    made.rollouts.forEach(({ rewards, reward, group }, i) => {
      expect(rewards["soft_overlong"]).toBe(penalties[i]);
      expect(reward).toBeCloseTo((plain(group, i % 4).rewards[0] ?? 0) + (penalties[i] ?? 0), 12);
    });
    expect(made.log[0]?.["rewards/soft_overlong/mean"]).toBeCloseTo(
      penalties.reduce((a, b) => a + b, 0) / 8,
      12,
    );
  });
});

/** The gradient of rows that are put together by hand, with the weights that the definition of a loss gives. */
async function byHand(made: TinyMethod, weightOf: (tokens: number) => number, masked: number) {
  const rows = made.rollouts.flatMap((record, key): BatchRow[] => {
    if (key === masked) return [];
    const { prompt_ids: promptIds, completion_ids: ids, advantage, length } = record;
    const completion = {
      promptIds,
      ids,
      group: 0,
      prompt: "",
      text: "",
      reference: null,
      row: null,
      truncated: false,
    };
    const row = completionRow({ ...completion, decoderLogps: [], rewards: [] }, key);
    return [{ ...row, weights: Array.from(row.weights, () => weightOf(length)), info: [advantage ?? 0, 0] }];
  });
  const fresh = await open({ beta: 0 });
  fresh.engine.accumulate(rows, { micro: 0, step: 0, seed: 0, noise: 0 });
  const grads = await fresh.engine.pool.read(gpu, "grads");
  return Float32Array.from([...grads.values()].flatMap(({ data }) => [...data]));
}

/** The same numbers of the method's own step, in the order of their names. */
async function byMethod(settings: Settings, script: Script) {
  const made = await trainedWith({ beta: 0, ...settings }, script);
  const gradients = await gradientsByName(made);
  return { made, gradient: Float32Array.from([...gradients.values()].flatMap(({ data }) => [...data])) };
}

describe("a truncated completion that is left out", () => {
  const cut: Script = (group, sample) => ({ ...plain(group, sample), truncated: sample === 1 });
  const masking = { mask_truncated_completions: true };
  const live = [0, 2, 3].reduce((sum, sample) => sum + plain(0, sample).length, 0);

  it.each([
    ["grpo", (tokens: number) => 1 / (4 * tokens)],
    ["bnpo", () => 1 / live],
    ["dr_grpo", () => 1 / (4 * 12)],
    ["dapo", () => 1 / live],
  ])("takes its tokens from %s and nothing else", async (loss_type, weightOf) => {
    const { made, gradient } = await byMethod({ ...masking, loss_type, max_completion_length: 12 }, cut);
    expect(made.rollouts[1]?.truncated).toBe(true);
    expect(relativeError(gradient, await byHand(made, weightOf, 1))).toBeLessThan(1e-6);
    expect(logged(made, "completions/clipped_ratio")).toEqual([0.25]);
    const kept = await byMethod({ loss_type, max_completion_length: 12 }, cut);
    expect(relativeError(gradient, kept.gradient)).toBeGreaterThan(0.01);
    const other: Script = (group, sample) => ({ ...cut(group, sample), salt: sample === 1 ? 1 : 0 });
    expect(await gradientOf({ ...masking, loss_type }, other)).toEqual(
      await gradientOf({ ...masking, loss_type }, cut),
    );
  });

  it("does no harm where all of them are", async () => {
    const made = await trainedWith({ ...masking, beta: 0.04, max_steps: 2 }, (group, sample) => ({
      ...plain(group, sample),
      truncated: group === 0,
    }));
    expect(made.log[0]).toMatchObject({ loss: 0, grad_norm: 0, kl: 0, entropy: 0 });
    expect(made.log[1]?.["grad_norm"]).toBeGreaterThan(0);
    expect(made.notes).toEqual([]);
  });
});

describe("how a rollout is cut into micro-batches", () => {
  const cuts = [
    { batch_size: 8, gradient_accumulation_steps: 1 },
    { batch_size: 4, gradient_accumulation_steps: 2 },
    { batch_size: 2, gradient_accumulation_steps: 4 },
  ];

  it.each(["dapo", "dr_grpo", "grpo"])("makes no difference to %s", async (loss_type) => {
    const [whole = new Float32Array(), ...parts] = await Promise.all(
      cuts.map((cut) => gradientOf({ loss_type, ...cut })),
    );
    // f32 sums of the same terms in another order.
    for (const part of parts) expect(relativeError(part, whole)).toBeLessThan(1e-5);
  });

  it("is part of bnpo, which is a mean of each micro-batch", async () => {
    const [whole, halves] = [
      await gradientOf({ loss_type: "bnpo", ...cuts[0] }),
      await gradientOf({ loss_type: "bnpo", ...cuts[1] }),
    ];
    expect(relativeError(halves, whole)).toBeGreaterThan(0.01);
    // A micro-batch that is the whole rollout has the same tokens for its mean as dapo has.
    expect(relativeError(whole, await gradientOf({ loss_type: "dapo", ...cuts[0] }))).toBeLessThan(1e-6);
  });
});

describe("gspo", () => {
  it("uses a rollout in four mini-batches, over which its ratio moves", async () => {
    const made = await trainedWith({ algorithm: "gspo", max_steps: 5, learning_rate: 0.003 });
    expect(made.rollouts).toHaveLength(32);
    const clipped = logged(made, "clip_ratio/region_mean");
    expect(clipped[0]).toBe(0);
    expect(Math.max(...clipped.slice(1, 4))).toBeGreaterThan(0);
    expect(clipped[4], "a new rollout is of the policy as it is").toBe(0);
  });
});

describe("dynamic sampling", () => {
  const settings = { algorithm: "dapo", batch_size: 8, overlong_penalty: false };
  const metrics = (made: TinyMethod) => [
    ...logged(made, "dynamic_sampling/resampled_groups"),
    ...logged(made, "dynamic_sampling/flat_groups"),
  ];

  it("replaces groups that teach nothing by those of further prompts", async () => {
    const source = scripted(tiny, (group, sample) => (group < 3 ? flat : plain)(group, sample));
    const made = await tinyGroup(gpu, { tiny, settings, source });
    await made.run.train(GO);
    expect(source.asked).toEqual([2, 2, 1]); // 0 and 1 are flat; of 2 and 3 one is; 4 is not
    expect(made.rollouts.map(({ group }) => group)).toEqual([3, 3, 3, 3, 4, 4, 4, 4]);
    expect(metrics(made)).toEqual([3, 0]);
    expect(logged(made, "frac_reward_zero_std")).toEqual([0]);
  });

  it("gives up after so many rounds and fills up with what it has", async () => {
    const source = scripted(tiny, (group, sample) => (group === 4 ? plain : flat)(group, sample));
    const given = { ...settings, dynamic_sampling_max_rounds: 3 };
    const made = await tinyGroup(gpu, { tiny, settings: given, source });
    await made.run.train(GO);
    expect(source.asked).toEqual([2, 2, 2, 1]);
    expect(made.rollouts.map(({ group }) => group)).toEqual([4, 4, 4, 4, 0, 0, 0, 0]);
    expect(metrics(made)).toEqual([5, 1]);
    expect(made.log[0]?.["grad_norm"]).toBeGreaterThan(0);
  });

  it("asks once where every group can teach", async () => {
    const source = scripted(tiny, plain);
    const made = await tinyGroup(gpu, { tiny, settings, source });
    await made.run.train(GO);
    expect(source.asked).toEqual([2]);
    expect(metrics(made)).toEqual([0, 0]);
  });
});

describe("the entropy bonus", () => {
  it("raises the entropy, and is all that moves where rewards are equal", async () => {
    const settings = { batch_size: 8, beta: 0, max_steps: 6, entropy_coef: 0.1 };
    // The same prompts and completions in every rollout, so that entropies compare.
    const made = await trainedWith(settings, (_, sample) => ({ ...flat(0, sample) }));
    const entropies = logged(made, "entropy");
    expect(entropies[5]).toBeGreaterThan((entropies[0] ?? Number.NaN) + 0.01);
    expect(made.log[0]?.["loss"]).toBeCloseTo(-0.1 * (entropies[0] ?? Number.NaN), 5);
  });
});

describe.each([
  ["an adapter", {}],
  ["every weight", { peft_enabled: false, learning_rate: 0.001 }],
])("sync_ref_model of %s", (_, start) => {
  it("moves the reference by its part of the way, at its steps and no others", async () => {
    const made = await open({
      ...{ ...start, beta: 0.04, max_steps: 4, sync_ref_model: true },
      ...{ ref_model_sync_steps: 2, ref_model_mixup_alpha: 0.25 },
    });
    const { moving = [] } = made.engine.model.reference ?? {};
    expect(moving.length).toBeGreaterThan(0);
    const read = async (which: "own" | "trained") =>
      Promise.all(moving.map(async (pair) => Float32Array.from(await gpu.readFloats(pair[which]))));
    let before = await read("own");
    expect(before).toEqual(await read("trained"));
    for (const moves of [false, true, false, true]) {
      await made.run.train(GO, 1);
      const [own, policy] = [await read("own"), await read("trained")];
      if (!moves) expect(own).toEqual(before);
      own.forEach((values, i) => {
        if (!moves) return;
        const expected = values.map((__, j) => {
          const [y, x] = [before[i]?.[j] ?? 0, policy[i]?.[j] ?? 0];
          return y + 0.25 * (x - y);
        });
        // Two roundings of f32.
        expect(relativeError(values, expected)).toBeLessThan(1e-7);
        expect(relativeError(expected, before[i] ?? [])).toBeGreaterThan(0);
      });
      before = own;
    }
  });
});
