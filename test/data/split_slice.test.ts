import { describe, expect, it } from "vitest";
import { sliceOf } from "../../src/data/split_slice.ts";

const rows = Array.from({ length: 50 }, (_, i) => i);

describe("sliceOf", () => {
  it.each([
    ["train", 0, 50],
    ["train[:10]", 0, 10],
    ["train[40:]", 40, 50],
    ["test[-5:]", 45, 50],
    ["train[10%:20%]", 5, 10],
  ] as const)("%s", (split, from, to) => {
    expect(sliceOf(split, rows)).toEqual(rows.slice(from, to));
  });

  it("refuses what names no row or is no slice", () => {
    expect(() => sliceOf("train[60:]", rows)).toThrow(/none of the 50 rows/);
    expect(() => sliceOf("train[a:b]", rows)).toThrow(/no split/);
  });
});
