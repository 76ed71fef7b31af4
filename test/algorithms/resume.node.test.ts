import { describe, expect, it } from "vitest";
import type { CheckpointStore } from "../../src/host/host.ts";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";
import { testDevice } from "../gpu.ts";
import { tinyModel } from "../tiny_model.ts";
import { GO } from "../trainer/tiny_run.ts";
import {
  type Scripted,
  scripted,
  type TinyMethod,
  tinyDpo,
  tinyGroup,
  tinyPairs,
  tinyPpo,
} from "./tiny_method.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");
const pairs = tinyPairs(tiny, [
  [5, 3],
  [2, 7],
  [9, 4],
  [1, 1],
  [6, 6],
]);

/** Everything that could be lost: a schedule, moments, clipping, a window of the log over the border. */
const LIVELY = {
  ...{ lr_scheduler: "cosine", warmup_ratio: 0.2, adam_beta1: 0.9, max_grad_norm: 1, weight_decay: 0.1 },
  ...{ logging_steps: 3, batch_size: 4 },
};
const MOVING = { sync_ref_model: true, ref_model_sync_steps: 2, ref_model_mixup_alpha: 0.5 };

const script = (group: number, sample: number): Scripted => ({
  length: 1 + ((5 * group + 3 * sample) % 12),
  rewards: [
    group % 3 === 0 ? 1 : ((7 * group + 4 * sample) % 9) / 3,
    (group + sample) % 4 === 0 ? null : sample,
  ],
  truncated: (group + sample) % 5 === 0,
});

type Settings = Readonly<Record<string, unknown>>;
type Open = (settings: Settings, checkpoints: CheckpointStore) => Promise<TinyMethod>;

const ofPairs: Open = (settings, checkpoints) =>
  tinyDpo(gpu, {
    tiny,
    pairs,
    validation: pairs.slice(0, 2),
    settings: { ...LIVELY, ...settings },
    checkpoints,
  });
const rewards = { rewards: ["length", "format"] };
const ofGroups: Open = (settings, checkpoints) => {
  const source = scripted(tiny, script);
  return tinyGroup(gpu, { tiny, source, settings: { ...LIVELY, ...rewards, ...settings }, checkpoints });
};
const ofValues: Open = (settings, checkpoints) => {
  const source = scripted(tiny, script);
  return tinyPpo(gpu, { tiny, source, settings: { ...LIVELY, ...rewards, ...settings }, checkpoints });
};

/** Steps at which a run is left and taken up again: in the middle of a rollout wherever there is one. */
const CASES: readonly (readonly [string, Open, Settings, readonly number[]])[] = [
  ["dpo", ofPairs, { max_steps: 7, eval_strategy: "steps", eval_steps: 2 }, [3, 4]],
  ["dpo with a moving reference", ofPairs, { max_steps: 6, ...MOVING }, [3]],
  ["dpo of every weight", ofPairs, { max_steps: 5, peft_enabled: false, ...MOVING }, [3]],
  ["dpo with a known reference", ofPairs, { max_steps: 5, precompute_ref_log_probs: true }, [2]],
  ["grpo, each rollout used twice", ofGroups, { max_steps: 7, num_iterations: 2 }, [3]],
  [
    "grpo, micro-batches across rollouts",
    ofGroups,
    { max_steps: 6, gradient_accumulation_steps: 2, steps_per_generation: 3, num_iterations: 1 },
    [1, 4],
  ],
  ["grpo with a moving reference", ofGroups, { max_steps: 6, beta: 0.1, ...MOVING }, [3]],
  ["gspo", ofGroups, { max_steps: 7, algorithm: "gspo" }, [2]],
  ["dapo with dynamic sampling", ofGroups, { max_steps: 5, algorithm: "dapo", batch_size: 8 }, [1, 3]],
  ["dr_grpo", ofGroups, { max_steps: 4, algorithm: "dr_grpo" }, [2]],
  [
    "dpo aot in passes",
    ofPairs,
    { max_steps: 5, loss_type: "aot", forward_batch_size: 1, adapter_name_or_path: "adapter" },
    [2],
  ],
  [
    "grpo of the least certain tokens in passes",
    ofGroups,
    { max_steps: 5, num_iterations: 3, top_entropy_quantile: 0.5, forward_batch_size: 3 },
    [2],
  ],
  [
    "ppo with an adaptive coefficient",
    ofValues,
    { max_steps: 11, num_ppo_epochs: 2, num_mini_batches: 2, kl_target: 0.5, kl_horizon: 40 },
    [3, 6],
  ],
  ["ppo of every weight", ofValues, { max_steps: 5, num_ppo_epochs: 2, peft_enabled: false }, [3]],
];

describe("a run that is resumed ends with the bits of the one that never stopped", () => {
  it.each(CASES)("%s", async (_, open, settings, stops) => {
    const whole = await open(settings, memoryCheckpoints());
    expect(await whole.run.train(GO)).toMatchObject({ state: "done" });

    const checkpoints = memoryCheckpoints();
    const [log, rollouts]: [TinyMethod["log"], TinyMethod["rollouts"]] = [[], []];
    let before = 0;
    for (const stop of [...stops, Number.POSITIVE_INFINITY]) {
      const part = await open(settings, checkpoints);
      if (before > 0) await part.run.restore(before);
      await part.run.train(GO, stop - before);
      log.push(...part.log);
      rollouts.push(...part.rollouts);
      before = stop;
      if (stop < Number.POSITIVE_INFINITY) continue;
      expect(await part.state()).toEqual(await whole.state());
      expect(part.run.numTokens).toBe(whole.run.numTokens);
      expect(part.run.epoch).toBe(whole.run.epoch);
    }
    expect(log).toEqual(whole.log);
    expect(rollouts).toEqual(whole.rollouts);
    expect(whole.log.length).toBeGreaterThan(1);
  });
});
