import { describe, expect, it } from "vitest";
import { learningRateShare, type ScheduleOptions, warmupSteps } from "../../src/trainer/schedule.ts";

/** Printed by transformers 5.18 for 10 steps with 3 of warmup, steps 0 to 10. */
const ANCHORS: readonly [Omit<ScheduleOptions, "totalSteps" | "warmupSteps">, readonly number[]][] = [
  [
    { name: "linear" },
    [0, 0.333333, 0.666667, 1, 0.857143, 0.714286, 0.571429, 0.428571, 0.285714, 0.142857, 0],
  ],
  [
    { name: "cosine" },
    [0, 0.333333, 0.666667, 1, 0.950484, 0.811745, 0.61126, 0.38874, 0.188255, 0.049516, 0],
  ],
  [
    { name: "cosine_with_restarts", cycles: 2 },
    [0, 0.333333, 0.666667, 1, 0.811745, 0.38874, 0.049516, 0.950484, 0.61126, 0.188255, 0],
  ],
  [
    { name: "inverse_sqrt" },
    [0, 0.333333, 0.666667, 1, 0.866025, 0.774597, Math.SQRT1_2, 0.654654, 0.612372, 0.57735, 0.547723],
  ],
  [
    { name: "cosine", minShare: 0.1 },
    [0, 0.333333, 0.666667, 1, 0.955436, 0.83057, 0.650134, 0.449866, 0.26943, 0.144564, 0.1],
  ],
  [
    { name: "warmup_stable_decay", decaySteps: 4 },
    [0, 0.333333, 0.666667, 1, 1, 1, 1, 0.853553, 0.5, 0.146447, 0],
  ],
];

describe("learningRateShare", () => {
  it.each(ANCHORS)("%o has the values of transformers", (options, expected) => {
    const values = expected.map((_, k) =>
      learningRateShare({ ...options, totalSteps: 10, warmupSteps: 3 }, k),
    );
    values.forEach((value, k) => {
      expect(value).toBeCloseTo(expected[k] ?? Number.NaN, 6);
    });
  });

  it("is 1 throughout when constant", () => {
    expect(learningRateShare({ name: "constant", totalSteps: 5, warmupSteps: 2 }, 0)).toBe(1);
  });

  it("ends the polynomial at its end share", () => {
    const options = { name: "polynomial", totalSteps: 10, warmupSteps: 0, endShare: 0.1 } as const;
    expect(learningRateShare(options, 10)).toBeCloseTo(0.1, 12);
    expect(learningRateShare(options, 0)).toBe(1);
    expect(learningRateShare(options, 5)).toBeCloseTo(0.55, 12);
  });

  it("has no division by zero for a single step or for warmup throughout", () => {
    for (const [totalSteps, warmup] of [
      [1, 0],
      [1, 1],
      [4, 4],
    ] as const) {
      const value = learningRateShare({ name: "linear", totalSteps, warmupSteps: warmup }, 0);
      expect(Number.isFinite(value)).toBe(true);
    }
  });

  it("lets warmup_steps beat warmup_ratio", () => {
    expect(warmupSteps(100, 7, 0.1)).toBe(7);
    expect(warmupSteps(101, undefined, 0.1)).toBe(11);
    expect(warmupSteps(100, 0, 0.1)).toBe(10);
  });
});
