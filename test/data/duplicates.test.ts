import { expect, it } from "vitest";
import { countDuplicates, countOverlap } from "../../src/data/duplicates.ts";

it("rows are alike when their columns are, in whatever order", () => {
  expect(countDuplicates([{ a: 1, b: [2] }, { b: [2], a: 1 }, { a: 1, b: [2] }, { a: 1 }])).toBe(2);
});

it("counts held-out rows that are trained on", () => {
  expect(countOverlap([{ a: 1 }, { a: 2 }], [{ a: 2 }, { a: 2 }, { a: 3 }])).toBe(2);
});
