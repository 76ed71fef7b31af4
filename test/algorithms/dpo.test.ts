import { describe, expect, it } from "vitest";
import { pairRows } from "../../src/algorithms/dpo.ts";
import { relativeError, testDevice } from "../gpu.ts";
import { tinyModel } from "../tiny_model.ts";
import { bits, GO, trained } from "../trainer/tiny_run.ts";
import { combination, lastGradient, logged, tinyDpo, tinyPairs } from "./tiny_method.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");
const pairs = tinyPairs(tiny, [
  [5, 3],
  [2, 7],
  [9, 4],
  [1, 1],
  [6, 6],
]);
const open = (settings: Readonly<Record<string, unknown>>, rows = pairs) =>
  tinyDpo(gpu, { tiny, pairs: rows, validation: pairs.slice(0, 3), settings });

/** Where the run starts, and what its reference is then. */
const STARTS = [
  ["a fresh adapter", {}],
  ["an adapter of a file", { adapter_name_or_path: "adapter" }],
  ["every weight", { peft_enabled: false, learning_rate: 0.001 }],
  ["a fresh adapter on four bits", { backend: "unsloth" }],
] as const;

/** f32 of a mean of a few logarithms. */
const ROUNDING = 1e-6;

describe.each(STARTS)("DPO of %s", (_, start) => {
  it("begins at a loss of ln 2, with no margin at all", async () => {
    const made = await open({ ...start, eval_strategy: "steps", eval_steps: 1 });
    await made.run.train(GO);
    const [before, first] = made.log;
    expect(Math.abs((before?.["eval_loss"] ?? 0) - Math.LN2)).toBeLessThan(ROUNDING);
    expect(before?.["eval_rewards/margins"]).toBe(0);
    expect(Math.abs((first?.["loss"] ?? 0) - Math.LN2)).toBeLessThan(ROUNDING);
    for (const name of ["rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"]) {
      expect(first?.[name], name).toBe(0);
    }
    expect(first?.["grad_norm"]).toBeGreaterThan(0);
  });

  it("leaves the reference alone while the policy moves", async () => {
    const made = await open({ ...start, max_steps: 4 });
    const rows = pairRows(pairs, 1);
    const scores = async (program: string) =>
      (await made.engine.score(program, rows)).map((row) => [...bits(row)]);
    const [reference, policy] = [await scores("reference"), await scores("evaluate")];
    expect(policy).toEqual(reference);
    await made.run.train(GO);
    expect(await scores("reference")).toEqual(reference);
    expect(await scores("evaluate")).not.toEqual(policy);
    expect(made.log.at(-1)?.["rewards/margins"]).toBeGreaterThan(0);
    expect(made.log.at(-1)?.["loss"]).toBeLessThan(Math.LN2);
  });

  it("is the same to the bit with a reference that was computed before", async () => {
    const settings = { ...start, max_steps: 4, eval_strategy: "steps", eval_steps: 2 };
    const live = await open(settings);
    await live.run.train(GO);
    const known = await open({ ...settings, precompute_ref_log_probs: true });
    await known.run.train(GO);
    expect(known.log).toEqual(live.log);
    expect(bits(await trained(known.engine))).toEqual(bits(await trained(live.engine)));
  });
});

describe("DPO", () => {
  /** Loss and gradient of a step from a policy that is not its reference: none of its terms is at its start. */
  const stepOf = async (settings: Readonly<Record<string, unknown>>, rows = pairs) => {
    const made = await open({ reference_free: true, batch_size: rows.length, ...settings }, rows);
    await made.run.train(GO);
    return { loss: logged(made, "loss")[0] ?? Number.NaN, gradient: await lastGradient(made) };
  };

  it("adds several losses with their weights", async () => {
    const [first, second] = [await stepOf({ loss_type: "hinge" }), await stepOf({ loss_type: "ipo" })];
    const both = await stepOf({ loss_type: ["hinge", "ipo"], loss_weights: [0.5, 2] });
    expect(Math.abs(both.loss / (0.5 * first.loss + 2 * second.loss) - 1)).toBeLessThan(1e-6);
    const expected = combination([0.5, first.gradient], [2, second.gradient]);
    expect(relativeError(both.gradient, expected)).toBeLessThan(1e-5);
    expect(relativeError(first.gradient, second.gradient)).toBeGreaterThan(0.1);
  });

  it("adds the chosen answers' cross-entropy with rpo_alpha", async () => {
    const [sigmoid, sft] = [await stepOf({ loss_type: "sigmoid" }), await stepOf({ loss_type: "sft" })];
    const both = await stepOf({ loss_type: "sigmoid", rpo_alpha: 0.3 });
    const expected = combination([1, sigmoid.gradient], [0.3, sft.gradient]);
    expect(relativeError(both.gradient, expected)).toBeLessThan(1e-5);
    expect(Math.abs(both.loss / (sigmoid.loss + 0.3 * sft.loss) - 1)).toBeLessThan(1e-6);
  });

  it("averages micro-batches, also when the last one has fewer pairs", async () => {
    const three = pairs.slice(0, 3);
    const accumulated = await stepOf({ batch_size: 2, gradient_accumulation_steps: 2 }, three);
    const [two, one] = [await stepOf({}, three.slice(0, 2)), await stepOf({}, three.slice(2))];
    expect(
      relativeError(accumulated.gradient, combination([0.5, two.gradient], [0.5, one.gradient])),
    ).toBeLessThan(1e-5);
    expect(Math.abs(accumulated.loss / (0.5 * two.loss + 0.5 * one.loss) - 1)).toBeLessThan(1e-6);
    const whole = await stepOf({}, three);
    expect(relativeError(accumulated.gradient, whole.gradient)).toBeGreaterThan(0.01);
  });

  it("holds out by pairs, whatever the batch size", async () => {
    const settings = { max_steps: 3, eval_strategy: "steps", eval_steps: 3 };
    const [one, three] = [await open({ ...settings, eval_batch_size: 1 }), await open(settings)];
    await one.run.train(GO);
    await three.run.train(GO);
    for (const name of ["eval_loss", "eval_rewards/margins", "eval_logps/chosen", "eval_logits/rejected"]) {
      const [a, b] = [logged(one, name).at(-1) ?? 0, logged(three, name).at(-1) ?? Number.NaN];
      expect(Math.abs(a / b - 1), name).toBeLessThan(1e-5);
    }
    expect(logged(one, "eval_rewards/margins").at(-1)).not.toBe(0);
  });

  it("follows with its reference when it is to move, and only then", async () => {
    const made = await open({
      ...{ max_steps: 4, sync_ref_model: true, ref_model_sync_steps: 3, ref_model_mixup_alpha: 1 },
    });
    const rows = pairRows(pairs, 1);
    const scores = async (program: string) => (await made.engine.score(program, rows)).map((row) => [...row]);
    const start = await scores("reference");
    await made.run.train(GO, 2);
    expect(await scores("reference")).toEqual(start);
    await made.run.train(GO, 1);
    const moved = await scores("reference");
    expect(moved).not.toEqual(start);
    // All of the way: the reference is the policy, but for the rounding of y + 1 (x - y).
    expect(relativeError(moved.flat(), (await scores("evaluate")).flat())).toBeLessThan(1e-5);
    await made.run.train(GO, 1);
    expect(await scores("reference")).toEqual(moved);
  });
});
