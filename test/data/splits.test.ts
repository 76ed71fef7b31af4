import { expect, it } from "vitest";
import { DEFAULT_SPLIT, splitName, splitRows } from "../../src/data/splits.ts";

it("80/10/10: every row in one part, in file order", () => {
  const parts = splitRows(50, { ...DEFAULT_SPLIT, seed: 42 });
  expect([parts.train.length, parts.validation.length, parts.test.length]).toEqual([40, 5, 5]);
  expect([...parts.train, ...parts.validation, ...parts.test].toSorted((a, b) => a - b)).toEqual([
    ...Array(50).keys(),
  ]);
  for (const part of Object.values(parts)) expect(part).toEqual(part.toSorted((a, b) => a - b));
});

it("depends on the seed alone", () => {
  const split = (seed: number) => splitRows(50, { ...DEFAULT_SPLIT, seed });
  expect(split(1)).toEqual(split(1));
  expect(split(1)).not.toEqual(split(2));
});

it("a ratio of 0 holds nothing out; a small one at least one row; tiny files are all trained on", () => {
  const sizes = (rows: number, valSplitRatio: number, testSplitRatio: number) => {
    const parts = splitRows(rows, { valSplitRatio, testSplitRatio, seed: 1 });
    return [parts.train.length, parts.validation.length, parts.test.length];
  };
  expect(sizes(30, 0, 0)).toEqual([30, 0, 0]);
  expect(sizes(5, 0.1, 0)).toEqual([4, 1, 0]);
  expect(sizes(3, 0.1, 0.1)).toEqual([1, 1, 1]);
  expect(sizes(2, 0.1, 0.1)).toEqual([2, 0, 0]);
  expect(sizes(3, 0.4, 0.5)).toEqual([1, 0, 2]);
});

it("ratios that leave nothing to train on are refused", () => {
  expect(() => splitRows(10, { valSplitRatio: 0.5, testSplitRatio: 0.5, seed: 1 })).toThrow(/less than 1/);
  expect(() => splitRows(10, { valSplitRatio: -0.1, testSplitRatio: 0, seed: 1 })).toThrow(/0 or more/);
});

it.each([
  ["train", "train"],
  ["train_sft", "train"],
  ["validation", "validation"],
  ["val", "validation"],
  ["dev", "validation"],
  ["test_sft", "test"],
  ["eval", "test"],
  ["other", undefined],
])("a split called %s is for %s", (name, part) => {
  expect(splitName(name)).toBe(part);
});
