import { describe, expect, it } from "vitest";
import { scoreBins, scoreVerdict } from "../../src/ui/rewards/score_bins.ts";

const sample = (...totals: (number | null)[]) => ({ totals, failures: 0, withoutModel: false });

describe("scores of the base model", () => {
  it("warn when there is nothing to learn from", () => {
    expect(scoreVerdict(sample(0, 0, 0))).toEqual({
      text: "All scores are 0: nothing to learn from.",
      good: false,
    });
    expect(scoreVerdict(sample(1, 1)).text).toBe("All scores are 1: nothing tells answers apart.");
    expect(scoreVerdict(sample(null)).text).toBe(
      "No reward applied to any of 1 answer: nothing to learn from.",
    );
    expect(scoreBins(sample(null))).toBeNull();
  });

  it("say how many they are, from where to where", () => {
    const { text, good } = scoreVerdict(sample(0, 1, 0.5, null));
    expect(good).toBe(true);
    expect(text).toMatch(
      /^3 answers got 0 to 1.*, 0\.5.* on average\. No reward applied to 1 of 4 answers\.$/,
    );
  });

  it("fall into equal bins, the greatest into the last", () => {
    expect(scoreBins(sample(-1, 1, 1, 0.99, null))).toEqual({
      counts: [1, 0, 0, 0, 0, 0, 0, 0, 0, 3],
      least: -1,
      most: 1,
    });
    expect(scoreBins(sample(2, 2))).toEqual({ counts: [2], least: 2, most: 2 });
  });
});
