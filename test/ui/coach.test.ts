import { describe, expect, it } from "vitest";
import type { MetricRow } from "../../src/protocol/runs.ts";
import { coachLine, worseSince } from "../../src/ui/run/coach.ts";
import { runOf } from "../../src/ui/run/reward_coach.ts";
import { methodInfo } from "./methods.ts";

const [SFT, DPO, PPO, GRPO] = [
  methodInfo("sft"),
  methodInfo("dpo"),
  methodInfo("ppo"),
  methodInfo("grpo"),
] as const;

/** Rows with one value a metric and step. */
function rowsOf(metrics: Readonly<Record<string, readonly number[]>>): readonly MetricRow[] {
  const steps = Math.max(...Object.values(metrics).map((values) => values.length));
  return Array.from({ length: steps }, (_, i) => ({
    step: i + 1,
    values: Object.fromEntries(
      Object.entries(metrics).flatMap(([name, values]) => {
        const value = values[i];
        return value === undefined ? [] : [[name, value] as const];
      }),
    ),
    nonFinite: [],
  }));
}

const losses = (...loss: readonly number[]): readonly MetricRow[] => rowsOf({ loss });
const constant = (value: number, count: number): readonly number[] =>
  Array.from({ length: count }, () => value);

describe("the coach of examples", () => {
  it("opens with the method's own sentence", () => {
    expect(coachLine(losses(3), SFT)).toBe(SFT.coach);
  });

  it("says how far the loss has fallen", () => {
    expect(coachLine(losses(3, 2.5, 2, 1.5, 1, 0.5), SFT)).toContain("from 3.000 to 0.500");
  });

  it("says that a loss has exploded", () => {
    expect(coachLine(losses(1, 0.5, 0.4, 9, 30, 90, 90), SFT)).toContain("lower learning rate");
  });

  it("says where the loss was not a number, whatever the method", () => {
    const rows = [...losses(1, 1), { step: 3, values: { loss: null }, nonFinite: ["loss"] }];
    for (const method of [SFT, DPO, PPO, GRPO]) expect(coachLine(rows, method)).toContain("first at step 3");
  });

  it("says since when the held-out loss rises", () => {
    const rows = [3, 1, 1.1, 1.2, 1.3].map((value, i) => ({
      step: (i + 1) * 10,
      values: { loss: 3 - i / 2, eval_loss: value },
      nonFinite: [],
    }));
    expect(worseSince(rows, "eval_loss", "lower")).toEqual({ step: 20, times: 3 });
    expect(coachLine(rows, SFT)).toContain("risen since step 20");
  });
});

describe("the coach of pairs", () => {
  const accuracies = (...values: readonly number[]) => rowsOf({ "rewards/accuracies": values });

  it("says the share of pairs and where it came from", () => {
    expect(coachLine(accuracies(0.4, 0.5, 0.6, 0.7, 0.8, 0.9), DPO)).toContain(
      "in 80 % of the pairs, from 50 %",
    );
  });

  it("says that nothing is left to order", () => {
    expect(coachLine(accuracies(0.5, ...constant(1, 12)), DPO)).toContain("Every pair is in the right order");
  });

  it("says that a long run is still near chance", () => {
    expect(coachLine(accuracies(...constant(0.5, 24)), DPO)).toContain("near chance");
    expect(coachLine(accuracies(...constant(0.5, 6)), DPO)).not.toContain("near chance");
  });
});

describe("the coach of rewards", () => {
  const rising = Array.from({ length: 12 }, (_, i) => 0.1 + 0.04 * i);

  it("speaks of the reward and not of a loss that rises", () => {
    const rows = rowsOf({ loss: rising.map((value) => value / 10), reward: rising });
    expect(coachLine(rows, GRPO)).toContain("Reward has risen from 0.180 to 0.460");
    expect(coachLine(rows, GRPO)).not.toContain("lower learning rate");
  });

  it("says that the held-out reward falls", () => {
    const rows = rowsOf({ reward: rising.slice(0, 6), eval_reward: [0.3, 0.5, 0.4, 0.3, 0.2] });
    expect(coachLine(rows, GRPO)).toContain("held-out reward has fallen since step 2");
  });

  it("says that there is no signal from the fifth step without one", () => {
    const silent = (steps: number) =>
      rowsOf({ reward: rising.slice(0, 6), frac_reward_zero_std: [0.5, ...constant(1, steps)] });
    expect(coachLine(silent(4), GRPO)).not.toContain("no signal");
    expect(coachLine(silent(5), GRPO)).toContain("for 5 steps, so there is no signal");
  });

  it("counts the steps without a signal from the last one back", () => {
    const rows = rowsOf({ frac_reward_zero_std: [1, 1, 0.5, 1, 1] });
    expect(runOf(rows, "frac_reward_zero_std", 1)).toBe(2);
    expect(runOf([], "frac_reward_zero_std", 1)).toBe(0);
  });

  it("says how many answers were cut off, and where", () => {
    const rows = rowsOf({ reward: rising, "completions/clipped_ratio": constant(0.58, 12) });
    expect(coachLine(rows, GRPO, { maxCompletion: 128 })).toContain(
      "58 % of the answers hit the 128-token limit",
    );
    const half = rowsOf({ reward: rising, "completions/clipped_ratio": constant(0.5, 12) });
    expect(coachLine(half, GRPO, { maxCompletion: 128 })).toContain("Reward has risen");
  });

  it("says that the model has become certain, and not that it was so from the start", () => {
    const rows = rowsOf({ reward: rising, entropy: [0.9, 0.9, 0.8, 0.4, 0.2, 0.1, 0.02, 0.01, 0.01] });
    expect(coachLine(rows, GRPO)).toContain("certain of every word");
    expect(coachLine(rowsOf({ reward: rising, entropy: constant(0.01, 9) }), GRPO)).toContain(
      "Reward has risen",
    );
  });

  it("says that the distance from the reference has jumped", () => {
    const jump = [0.01, 0.02, 0.02, 0.03, 0.02, 0.03, 0.5, 0.9, 1.4];
    expect(coachLine(rowsOf({ reward: rising, kl: jump }), GRPO)).toContain(
      "distance from the reference has jumped",
    );
    const small = jump.map((value) => value / 20);
    expect(coachLine(rowsOf({ reward: rising, kl: small }), GRPO)).toContain("Reward has risen");
  });

  it("says that PPO's ratio has left 1", () => {
    const rows = (ratio: number) =>
      rowsOf({ "objective/rlhf_reward": rising, "val/ratio": constant(ratio, 12) });
    expect(coachLine(rows(3.2), PPO)).toContain("should float around 1");
    expect(coachLine(rows(0.4), PPO)).toContain("should float around 1");
    expect(coachLine(rows(1.1), PPO)).toContain("Reward less KL has risen");
  });
});
