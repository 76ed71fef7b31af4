import { describe, expect, it } from "vitest";
import { type Completion, completionRow } from "../../src/algorithms/rollout.ts";
import { planEngine, sum } from "../../src/trainer/memory_plan.ts";
import { testDevice } from "../gpu.ts";
import { tinyModel, tinyRows } from "../tiny_model.ts";
import { GO, tinyRun } from "../trainer/tiny_run.ts";
import {
  logged,
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
const rows = tinyRows(tiny.spec, [9, 3, 12, 7]);
const pairs = tinyPairs(tiny, [
  [5, 3],
  [2, 7],
  [4, 4],
  [6, 2],
]);

/** Each group has good and bad answers; the same two prompts come again and again. */
const script = (group: number, sample: number): Scripted => ({
  length: 3 + ((group + 2 * sample) % 5),
  rewards: [(group + sample) % 2],
});

const BACKENDS = [
  ["an adapter on four bits, rematerialised", { backend: "unsloth", learning_rate: 0.01 }],
  ["every weight", { peft_enabled: false, learning_rate: 0.001 }],
] as const;

describe.each(BACKENDS)("training %s", (_, backend) => {
  const settings = { ...backend, max_steps: 8, batch_size: 4, lr_scheduler: "constant" };
  const expectBackend = ({ options }: Pick<TinyMethod, "options">) =>
    expect(options).toMatchObject(
      "backend" in backend
        ? { baseFormat: "nf4", rematerialize: true, trainable: { kind: "lora" } }
        : { baseFormat: "stored", trainable: { kind: "full" } },
    );

  /** What the device held at most beside what it held before, against the plan. */
  async function expectPlanned(made: Pick<TinyMethod, "engine" | "options">, before: number): Promise<void> {
    await made.engine.pool.read(gpu, "params");
    const { buffers, arena, staging } = await planEngine(gpu.capabilities, made.options);
    const peak = gpu.counts.peakBytes - before;
    expect(Math.abs(peak / sum([...buffers, ...arena, staging]) - 1)).toBeLessThanOrEqual(0.05);
  }

  /** Counts the peak anew, and gives the bytes that are held now. */
  function startPeak(): number {
    gpu.counts.peakBytes = gpu.counts.bytes;
    return gpu.counts.bytes;
  }

  it("sft lowers its loss", async () => {
    const before = startPeak();
    const made = await tinyRun(gpu, { tiny, rows, settings });
    expectBackend(made);
    await made.run.train(GO);
    const losses = made.log.flatMap((line) => line["loss"] ?? []);
    expect(losses[7]).toBeLessThan((losses[0] ?? 0) - 0.5);
    await expectPlanned(made, before);
  });

  it("dpo lowers its loss and widens its margins", async () => {
    const start = startPeak();
    const made = await tinyDpo(gpu, { tiny, pairs, settings });
    expectBackend(made);
    await made.run.train(GO);
    expect(logged(made, "loss")[7]).toBeLessThan(Math.LN2 - 0.2);
    expect(logged(made, "rewards/accuracies")[7]).toBe(1);
    await expectPlanned(made, start);
  });

  /** The mean log-probability of a token of good answers, less that of bad ones. */
  async function preference({ engine }: TinyMethod, completions: readonly Completion[]): Promise<number> {
    const scores = await engine.score("policy", completions.map(completionRow));
    const of = (reward: number) => {
      const chosen = scores
        .filter((__, i) => completions[i]?.rewards[0] === reward)
        .flatMap((row) => [...row]);
      return chosen.reduce((sum, logp) => sum + logp, 0) / chosen.length;
    };
    return of(1) - of(0);
  }

  it.each([
    ["grpo", tinyGroup, {}],
    ["gspo", tinyGroup, {}],
    ["dapo", tinyGroup, { overlong_penalty: false }],
    ["dr_grpo", tinyGroup, {}],
    ["ppo", tinyPpo, {}],
  ] as const)("%s makes what is rewarded more likely", async (algorithm, open, own) => {
    const [prompts, samples] = algorithm === "ppo" ? [8, 1] : [2, 4];
    const given = { ...settings, ...own, algorithm, batch_size: 8 };
    const start = startPeak();
    const made = await open(gpu, { tiny, source: scripted(tiny, script, prompts), settings: given });
    expectBackend(made);
    const { completions } = await scripted(tiny, script, prompts).next(prompts, samples, {
      global_step: 0,
      max_steps: 1,
      epoch: 0,
    });
    const before = await preference(made, completions);
    await made.run.train(GO);
    expect(await preference(made, completions)).toBeGreaterThan(before + 0.5);
    expect(made.notes).toEqual([]);
    await expectPlanned(made, start);
  });
});
