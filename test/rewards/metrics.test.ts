import { describe, expect, it } from "vitest";
import { combine } from "../../src/rewards/combine.ts";
import { rewardMetrics } from "../../src/rewards/metrics.ts";

describe("metrics of the rewards", () => {
  it("mean and sample deviation, nulls left out", () => {
    const found = rewardMetrics([
      { name: "a", values: [1, null, 2, 6] },
      { name: "b", values: [0.1, 0.1, 0.1] },
    ]);
    expect(found["rewards/a/mean"]).toBe(3);
    expect(found["rewards/a/std"]).toBeCloseTo(Math.sqrt(7), 12);
    expect(found["rewards/b/mean"]).toBe(0.1);
    expect(found["rewards/b/std"]).toBe(0);
  });
  it("no mean of none and no deviation of one", () => {
    const found = rewardMetrics([
      { name: "a", values: [null, null] },
      { name: "b", values: [null, 2] },
      { name: "c", values: [] },
    ]);
    expect(found).toEqual({ "rewards/b/mean": 2 });
  });
});

describe("the sum from recorded values", () => {
  const base = { params: {}, type: "x" };
  it("weights, nulls and clips as when they were scored", () => {
    const rewards = [
      { ...base, weight: 1, clip: [0, 1] as const },
      { ...base, weight: 0.5 },
    ];
    expect(
      combine(rewards, [
        [3, -1, null, null],
        [2, null, 4, null],
      ]),
    ).toEqual([2, 0, 2, null]);
  });
  it("a weight of 0 is 0, not nothing", () => {
    expect(combine([{ ...base, weight: 0 }], [[3, null]])).toEqual([0, null]);
  });
});
