import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/parse_config.ts";
import type { ConfigReview } from "../../src/protocol/setup.ts";
import { applySuggestion, canApply } from "../../src/store/review.ts";

const first = (text: string) => {
  const problem = parseConfig(text).problems[0];
  if (!problem) throw new Error("the text has a problem");
  return problem;
};

describe("applySuggestion", () => {
  it("renames an unknown key to the nearest one, and leaves its value and comment", () => {
    const text = "algorithm: sft\nlearning_rat: 2e-4 # low\n";
    expect(applySuggestion(text, first(text))).toBe("algorithm: sft\nlearning_rate: 2e-4 # low\n");
  });

  it("renames a key of JSON", () => {
    const text = '{\n  "learning_rat": 0.1\n}';
    expect(applySuggestion(text, first(text))).toBe('{\n  "learning_rate": 0.1\n}');
  });

  it("renames a key in a section", () => {
    const text = "algo: sft\ntrain:\n  batch_sizes: 4\n";
    expect(applySuggestion(text, first(text))).toContain("  batch_size: 4");
  });

  it("puts the nearest value in", () => {
    const text = "lr_scheduler: cosin # slow end\n";
    expect(applySuggestion(text, first(text))).toBe("lr_scheduler: cosine # slow end\n");
  });

  it("puts the nearest value into quotes that are there", () => {
    const text = 'lr_scheduler: "cosin"\n';
    expect(applySuggestion(text, first(text))).toBe('lr_scheduler: "cosine"\n');
  });

  it("leaves only fewer problems", () => {
    const text = "algorithm: sft\nlearning_rat: 1e-4\nbatchsise: 4\n";
    const fixed = applySuggestion(text, first(text));
    expect(parseConfig(fixed).problems).toHaveLength(parseConfig(text).problems.length - 1);
  });

  it("changes nothing where the place or the suggestion is unknown", () => {
    const text = "learning_rat: 1\n";
    expect(applySuggestion(text, { path: "learning_rat", message: "learning_rat is not a setting." })).toBe(
      text,
    );
    expect(
      applySuggestion(text, { path: "x", line: 9, message: "x is not a setting.", suggestion: "y" }),
    ).toBe(text);
  });
});

describe("canApply", () => {
  const review = (used: ConfigReview["used"]): ConfigReview => ({
    text: "",
    used,
    changed: [],
    notUsed: [],
    problems: [],
    given: {},
  });

  it("needs at least one setting that was understood", () => {
    expect(canApply(null)).toBe(false);
    expect(canApply(review([]))).toBe(false);
    expect(canApply(review([{ path: "seed", key: "seed", value: 1, line: 1 }]))).toBe(true);
  });
});
