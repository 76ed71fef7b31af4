import { expect, it } from "vitest";
import { countDuplicates, countOverlap, duplicateNotes } from "../../src/data/duplicates.ts";

it("rows are alike when their columns are, in whatever order", () => {
  expect(countDuplicates([{ a: 1, b: [2] }, { b: [2], a: 1 }, { a: 1, b: [2] }, { a: 1 }])).toBe(2);
});

it("counts held-out rows that are trained on", () => {
  expect(countOverlap([{ a: 1 }, { a: 2 }], [{ a: 2 }, { a: 2 }, { a: 3 }])).toBe(2);
});

it("what is said of them", () => {
  const [a, b, c] = [{ n: 1 }, { n: 2 }, { n: 3 }];
  expect(duplicateNotes([a, b, c], [{ n: 4 }])).toEqual([]);
  expect(duplicateNotes([a, b, a], [c, { n: 2 }])).toEqual([
    "1 of 3 rows to train on is the same as an earlier row.",
    "1 of 2 held-out rows is trained on as well, so that the evaluation flatters.",
  ]);
});
