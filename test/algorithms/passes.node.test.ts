import { describe, expect, it } from "vitest";
import type { CheckpointStore } from "../../src/host/host.ts";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";
import { type EngineMemory, planEngine, sum } from "../../src/trainer/memory_plan.ts";
import { relativeError, testDevice } from "../gpu.ts";
import { tinyModel, tinyRows } from "../tiny_model.ts";
import { bits, GO, tinyRun, trained } from "../trainer/tiny_run.ts";
import {
  lastGradient,
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
const rows = tinyRows(tiny.spec, [9, 3, 12, 2, 7, 6, 8]);
const pairs = tinyPairs(tiny, [
  [5, 3],
  [2, 7],
  [9, 4],
  [1, 1],
  [6, 6],
  [3, 8],
  [4, 2],
]);

type Settings = Readonly<Record<string, unknown>>;
type Made = Pick<TinyMethod, "run" | "engine" | "log" | "options">;
type Open = (settings: Settings, checkpoints?: CheckpointStore) => Promise<Made>;

const script = (group: number, sample: number): Scripted => ({
  length: 1 + ((5 * group + 3 * sample) % 12),
  rewards: [((7 * group + 4 * sample) % 9) / 3],
  truncated: sample === 1,
});

const ofRows: Open = (settings, checkpoints = memoryCheckpoints()) =>
  tinyRun(gpu, { tiny, rows, checkpoints, settings: { adam_beta1: 0, max_grad_norm: 0, ...settings } });
const ofPairs: Open = (settings, checkpoints = memoryCheckpoints()) =>
  tinyDpo(gpu, { tiny, pairs, settings: { algorithm: "dpo", ...settings }, checkpoints });
const ofGroups: Open = (settings, checkpoints = memoryCheckpoints()) =>
  tinyGroup(gpu, { tiny, settings, source: scripted(tiny, script), checkpoints });
const ofValues: Open = (settings, checkpoints = memoryCheckpoints()) =>
  tinyPpo(gpu, { tiny, settings, source: scripted(tiny, script), checkpoints });

/** Five pairs a micro-batch, so that passes of two leave one over; two micro-batches, the second smaller. */
const dpo = { batch_size: 5, gradient_accumulation_steps: 2 };
/** The rollout is used again, so that ratios and distances have moved. */
const group = { batch_size: 4, gradient_accumulation_steps: 2, num_iterations: 4, beta: 0.04, epsilon: 0.01 };

const NOISY = { lora_dropout: 0.25, neftune_noise_alpha: 5 };
const CASES: readonly (readonly [string, Open, Settings])[] = [
  ["sft", ofRows, { batch_size: 5, gradient_accumulation_steps: 2, learning_rate: 0.01, ...NOISY }],
  ["dft", ofRows, { batch_size: 7, loss_type: "dft", learning_rate: 0.01 }],
  ["dpo", ofPairs, dpo],
  ["dpo with a known reference", ofPairs, { ...dpo, precompute_ref_log_probs: true }],
  ["dpo of every weight", ofPairs, { ...dpo, peft_enabled: false, learning_rate: 0.001 }],
  ["dpo, several losses", ofPairs, { ...dpo, loss_type: ["ipo", "sft", "apo_zero"], ld_alpha: 0.5 }],
  ["grpo", ofGroups, group],
  ["grpo with an entropy bonus", ofGroups, { ...group, entropy_coef: 0.1 }],
  ["grpo, cut answers left out", ofGroups, { ...group, mask_truncated_completions: true }],
  ["bnpo", ofGroups, { ...group, loss_type: "bnpo" }],
  ["dr_grpo", ofGroups, { ...group, algorithm: "dr_grpo" }],
  ["dapo", ofGroups, { ...group, algorithm: "dapo" }],
  ["gspo", ofGroups, { ...group, algorithm: "gspo", steps_per_generation: 2 }],
  [
    "bnpo of the least certain tokens with an entropy bonus",
    ofGroups,
    { ...group, loss_type: "bnpo", top_entropy_quantile: 0.3, entropy_coef: 0.1 },
  ],
  ["ppo", ofValues, { batch_size: 4, gradient_accumulation_steps: 2, num_mini_batches: 2 }],
  ["ppo, rematerialised on four bits", ofValues, { batch_size: 4, num_ppo_epochs: 4, backend: "unsloth" }],
];

/** Losses that look across a micro-batch: split anywhere else, they are other losses. */
const COUPLED: readonly (readonly [string, Open, Settings])[] = [
  ["dpo aot", ofPairs, { ...dpo, loss_type: "aot" }],
  ["dpo aot with a known reference", ofPairs, { ...dpo, loss_type: "aot", precompute_ref_log_probs: true }],
  [
    "dpo aot of every weight",
    ofPairs,
    { ...dpo, loss_type: "aot", peft_enabled: false, learning_rate: 0.001 },
  ],
  ["dpo aot_unpaired", ofPairs, { ...dpo, loss_type: "aot_unpaired" }],
  ["dpo with WPO's weights and sft", ofPairs, { ...dpo, use_weighting: true, rpo_alpha: 1 }],
  // The policy's terms alone have a threshold: they are neither clipped away nor lost in the distance from the reference.
  [
    "grpo of the least certain tokens",
    ofGroups,
    { ...group, beta: 0, epsilon: 0.9, top_entropy_quantile: 0.5 },
  ],
];

/** The third step of a run from the same two steps before, whatever the settings of the third. */
async function thirdStep(open: Open, settings: Settings, checkpoints: CheckpointStore) {
  const made = await open({ ...settings, max_steps: 3 }, checkpoints);
  await made.run.restore(2);
  await made.run.train(GO);
  return { made, gradient: await lastGradient(made), line: made.log[0] ?? {} };
}

async function twoSteps(open: Open, settings: Settings): Promise<CheckpointStore> {
  const checkpoints = memoryCheckpoints();
  await (await open({ ...settings, max_steps: 3 }, checkpoints)).run.train(GO, 2);
  return checkpoints;
}

const totalOf = ({ buffers, arena }: EngineMemory): number => sum([...buffers, ...arena]);

describe.each([...CASES, ...COUPLED])("%s in passes", (_, open, settings) => {
  it("has the gradient and the log of the whole, in less memory", async () => {
    const checkpoints = await twoSteps(open, settings);
    const whole = await thirdStep(open, settings, checkpoints);
    expect(Math.hypot(...whole.gradient)).toBeGreaterThan(1e-4);
    const plan = ({ options }: Made) => planEngine(gpu.capabilities, options);
    const planned = await plan(whole.made);
    const split = await thirdStep(open, { ...settings, forward_batch_size: 2 }, checkpoints);
    expect(relativeError(split.gradient, whole.gradient)).toBeLessThan(1e-5);
    expect(Object.keys(split.line)).toEqual(Object.keys(whole.line));
    for (const [name, value] of Object.entries(whole.line)) {
      const error = Math.abs((split.line[name] ?? Number.NaN) - value);
      // Means of numbers around 1 that cancel: relative to those, not to what is left of them.
      expect(error / Math.max(1, Math.abs(value)), name).toBeLessThan(1e-5);
    }
    const less = await plan(split.made);
    expect(sum(less.arena)).toBeLessThan(0.85 * sum(planned.arena));
    expect(totalOf(less)).toBeLessThan(totalOf(planned));
  });
});

describe.each(COUPLED)("%s", (_, open, settings) => {
  it("is taken across the micro-batch: smaller micro-batches give another gradient", async () => {
    const checkpoints = await twoSteps(open, settings);
    const whole = await thirdStep(open, settings, checkpoints);
    const { batch_size, gradient_accumulation_steps } = settings as Readonly<Record<string, number>>;
    const halves = await open(
      {
        ...{ ...settings, max_steps: 3, batch_size: Math.floor((batch_size ?? 0) / 2) },
        gradient_accumulation_steps: 2 * (gradient_accumulation_steps ?? 0),
      },
      checkpoints,
    );
    await halves.run.restore(2);
    await halves.run.train(GO);
    expect(relativeError(await lastGradient(halves), whole.gradient)).toBeGreaterThan(0.01);
  });
});

describe("passes", () => {
  it("that are not fewer rows than a micro-batch change no bit", async () => {
    const [plain, asked] = [await ofPairs(dpo), await ofPairs({ ...dpo, forward_batch_size: 5 })];
    await plain.run.train(GO);
    await asked.run.train(GO);
    expect(asked.log).toEqual(plain.log);
    expect(bits(await trained(asked.engine))).toEqual(bits(await trained(plain.engine)));
  });

  it.each([
    ["dpo aot", ofPairs, { ...dpo, loss_type: "aot" }],
    ["grpo of the least certain tokens", ofGroups, { ...group, top_entropy_quantile: 0.5 }],
  ] as const)("create nothing on the device while they run: %s", async (_, open, settings) => {
    const { run } = await open({ ...settings, forward_batch_size: 2, max_steps: 4 });
    const counts = () => {
      const { buffers, bytes, bindGroups } = gpu.counts;
      return { buffers, bytes, bindGroups, pipelines: gpu.pipelines.created };
    };
    const planned = counts();
    let seen = planned;
    await run.train({
      get request() {
        if (run.step < 4) seen = counts();
        return "go" as const;
      },
    });
    expect(seen).toEqual(planned);
    expect(run.step).toBe(4);
  });
});
