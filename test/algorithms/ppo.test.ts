import { describe, expect, it } from "vitest";
import { peftModules } from "../../src/api/peft_modules.ts";
import { ADAPTER_WEIGHTS, adapterFiles } from "../../src/formats/adapter.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { memoryAsset, memoryFolder } from "../../src/host/memory.ts";
import { adaptKlCoef } from "../../src/losses/gae.ts";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";
import { startOf } from "../../src/trainer/engine_for.ts";
import { testDevice } from "../gpu.ts";
import { tinyModel } from "../tiny_model.ts";
import { bits, GO } from "../trainer/tiny_run.ts";
import { configOf, logged, type Scripted, scripted, type TinyMethod, tinyPpo } from "./tiny_method.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");

type Settings = Readonly<Record<string, unknown>>;
type Script = (group: number, sample: number) => Scripted;

/** Every prompt has one completion; the same four in every rollout. */
const plain: Script = (group) => ({ length: 2 + ((5 * (group % 4)) % 9), rewards: [(group % 4) / 2 - 0.5] });

const open = (settings: Settings, script = plain, checkpoints = memoryCheckpoints()) =>
  tinyPpo(gpu, { tiny, settings, source: scripted(tiny, script), checkpoints });

async function trainedWith(settings: Settings, script = plain): Promise<TinyMethod> {
  const made = await open(settings, script);
  await made.run.train(GO);
  return made;
}

/** Trained numbers of the policy or of the value model, by name, as bits. */
async function bitsOf({ engine }: TinyMethod, which: "policy" | "value" | "head") {
  const values = await engine.pool.read(gpu, "params");
  const kind = (name: string) => {
    if (name === "value_head.weight") return "head";
    return name.startsWith("value.") ? "value" : "policy";
  };
  const chosen = [...values].filter(([name]) => kind(name) === which);
  expect(chosen.length).toBeGreaterThan(0);
  return new Map(chosen.map(([name, { data }]) => [name, bits(data)]));
}

describe("PPO's first mini-batch", () => {
  it("has a ratio of exactly 1 and no distance; the next one has not", async () => {
    const made = await trainedWith({ max_steps: 4, num_ppo_epochs: 2, num_mini_batches: 2 });
    expect(made.log[0]).toMatchObject({
      ...{ "val/ratio": 1, "val/ratio_var": 0, "policy/approxkl_avg": 0, "policy/clipfrac_avg": 0 },
      ...{ "val/clipfrac_avg": 0, "objective/kl": 0, episode: 4 },
    });
    for (const line of made.log.slice(1)) {
      expect(line["val/ratio"]).not.toBe(1);
      expect(line["policy/approxkl_avg"]).toBeGreaterThan(0);
    }
    expect(made.rollouts).toHaveLength(4);
  });

  it("uses every completion once in a pass, whatever the mini-batches", async () => {
    const settings = { max_steps: 4, num_ppo_epochs: 1, gradient_accumulation_steps: 2 };
    const whole = await trainedWith({ ...settings, max_steps: 1 });
    const parts = await trainedWith({ ...settings, num_mini_batches: 4 });
    expect(logged(parts, "num_tokens").at(-1)).toBe(logged(whole, "num_tokens")[0]);
    expect(parts.rollouts).toHaveLength(8);
  });
});

describe("PPO's value model", () => {
  it("learns the returns of a rollout", async () => {
    const settings = { max_steps: 12, num_ppo_epochs: 12, vf_coef: 1, cliprange_value: 100 };
    const losses = logged(await trainedWith(settings), "loss/value_avg");
    expect(losses[11]).toBeLessThan(0.5 * (losses[0] ?? 0));
  });

  it("is not part of the policy's gradient, nor the policy of its", async () => {
    const settings = { max_steps: 3, num_ppo_epochs: 3 };
    const start = await open(settings);
    const [little, much] = [
      await trainedWith({ ...settings, vf_coef: 0.1 }),
      await trainedWith({ ...settings, vf_coef: 2 }),
    ];
    expect(await bitsOf(little, "policy")).toEqual(await bitsOf(much, "policy"));
    expect(await bitsOf(little, "policy")).not.toEqual(await bitsOf(start, "policy"));
    for (const which of ["value", "head"] as const) {
      expect(await bitsOf(little, which)).not.toEqual(await bitsOf(start, which));
    }
    // Without a value loss nothing reaches the value model, while the policy learns the same.
    const none = await trainedWith({ ...settings, vf_coef: 0 });
    expect(await bitsOf(none, "policy")).toEqual(await bitsOf(little, "policy"));
    for (const which of ["value", "head"] as const) {
      expect(await bitsOf(none, which)).toEqual(await bitsOf(start, which));
    }
  });

  it("is in the checkpoint and not in the adapter that is handed out", async () => {
    const checkpoints = memoryCheckpoints();
    const settings = { max_steps: 4, num_ppo_epochs: 2 };
    const made = await open(settings, plain, checkpoints);
    await made.run.train(GO, 3);
    const again = await open(settings, plain, checkpoints);
    expect(await bitsOf(again, "head")).not.toEqual(await bitsOf(made, "head"));
    await again.run.restore(3);
    for (const which of ["policy", "value", "head"] as const) {
      expect(await bitsOf(again, which)).toEqual(await bitsOf(made, which));
    }

    const host = { openAdapter: async () => memoryFolder("none", {}) };
    const config = configOf({ algorithm: "ppo", rewards: ["length"], max_completion_length: 12 });
    const { adapter } = await startOf(host, tiny.spec, config);
    if (!adapter) throw new Error("there is no adapter");
    const files = await adapterFiles(adapter, await peftModules(made.engine));
    const bytes = files[ADAPTER_WEIGHTS] ?? new Uint8Array();
    const { tensors } = await readSafetensors(memoryAsset(ADAPTER_WEIGHTS, bytes));
    const policy = await bitsOf(made, "policy");
    expect([...tensors.keys()].sort()).toEqual([...policy.keys()].sort());
    for (const [name, tensor] of tensors) expect(await tensor.bytes(), name).toEqual(policy.get(name));
  });
});

describe("PPO's rewards", () => {
  it("take the penalty off what did not come to its end", async () => {
    const cut: Script = (group, sample) => ({ ...plain(group, sample), truncated: group % 4 === 1 });
    const [without, penalised] = [
      await trainedWith({}, cut),
      await trainedWith({ missing_eos_penalty: 2 }, cut),
    ];
    expect(logged(without, "objective/scores")).toEqual([0.25]);
    expect(logged(penalised, "objective/scores")).toEqual([0.25 - 2 / 4]);
    expect(logged(penalised, "val/num_eos_tokens")).toEqual([3]);
    // Values are 0 at first, so that the advantage of the last token is the score with all its penalties.
    const advantages = (made: TinyMethod) => made.rollouts.map(({ advantage }) => advantage ?? Number.NaN);
    const changed = advantages(penalised).map((value, i) => value !== advantages(without)[i]);
    expect(changed).toEqual([false, true, false, false]);
  });

  it("leave out a completion that none of them could score", async () => {
    const script: Script = (group, sample) => ({
      ...plain(group, sample),
      ...(group % 4 === 2 && { rewards: [null] }),
    });
    const other: Script = (group, sample) => ({ ...script(group, sample), salt: group % 4 === 2 ? 1 : 0 });
    const [made, changed] = [await trainedWith({}, script), await trainedWith({}, other)];
    expect(made.rollouts[2]?.reward).toBeNull();
    expect(logged(made, "objective/scores")).toEqual([(-0.5 + 0 + 1) / 3]);
    expect(await bitsOf(changed, "policy")).toEqual(await bitsOf(made, "policy"));
  });

  it("weigh the distance from the reference by a coefficient that follows its target", async () => {
    const settings = { max_steps: 8, num_ppo_epochs: 2, kl_target: 0.5, kl_horizon: 40 };
    const made = await trainedWith(settings);
    const [coefficients, distances] = [logged(made, "objective/kl_coef"), logged(made, "objective/kl")];
    expect(coefficients).toHaveLength(4);
    let expected = 0.05;
    coefficients.forEach((coefficient, i) => {
      expect(coefficient).toBeCloseTo(expected, 12);
      expected = adaptKlCoef(expected, distances[i] ?? Number.NaN, 4, { target: 0.5, horizon: 40 });
    });
    expect(distances[0]).toBe(0);
    expect(coefficients[1]).toBeCloseTo(0.05 * (1 - (0.2 * 4) / 40), 12);
    expect(new Set(coefficients).size).toBe(4);
    const fixed = await trainedWith({ ...settings, kl_target: null });
    expect(new Set(logged(fixed, "objective/kl_coef"))).toEqual(new Set([0.05]));
  });
});
