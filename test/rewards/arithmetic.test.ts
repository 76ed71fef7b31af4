import { describe, expect, it } from "vitest";
import { equationsIn, evaluate } from "../../src/rewards/arithmetic.ts";
import { valued } from "./item.ts";

describe("an expression", () => {
  it.each<[string, number | undefined]>([
    ["1 + 2 * 3", 7],
    ["(1 + 2) * 3", 9],
    ["8 / 4 / 2", 1],
    ["2 ^ 3 ^ 2", 512],
    ["-2 ^ 2", -4],
    ["2 ** -1", 0.5],
    ["20% * 50", 10],
    ["$1,200 - $200", 1000],
    ["48 ÷ 2 × 3", 72],
    ["--3", 3],
    ["1 / 0", undefined],
    ["1 +", undefined],
    ["(1 + 2", undefined],
    ["1 2", undefined],
    ["", undefined],
    ["a", undefined],
    ["(".repeat(5000), undefined],
  ])("%s", (text, expected) => {
    expect(evaluate(text)).toBe(expected);
  });
});

describe("equations of a text", () => {
  it.each<[string, readonly (readonly [number, number])[]]>([
    ["Natalia sold 48/2 = <<48/2=24>>24 clips", [[24, 24]]],
    [
      "2 + 3 = 5 = 10 / 2.",
      [
        [5, 5],
        [5, 5],
      ],
    ],
    ["- 5 + 3 = 8", [[8, 8]]],
    [
      "1. 5 x 3 = 15, 2 * 2 = 5",
      [
        [15, 15],
        [4, 5],
      ],
    ],
    [
      "$\\frac{6}{3} = 2$ and 3 \\times 4 = 12",
      [
        [2, 2],
        [12, 12],
      ],
    ],
    ["x = 5 and 7 = 7", []],
    ["no sums", []],
  ])("%s", (text, expected) => {
    expect(equationsIn(text).map(({ left, right }) => [left, right])).toEqual(expected);
  });
});

describe("math_correctness", () => {
  it.each([
    ["48 / 2 = 24, and 48 + 24 = 72.", 1],
    ["48 / 2 = 24, and 48 + 24 = 70.", 0.5],
    ["48 / 2 = 25", 0],
    ["10 / 3 = 3.33", 0],
    ["0.1 + 0.2 = 0.3", 1],
    ["1 + 1", 0],
    ["", 0],
    ["= = = 1 +", 0],
  ])("%s", (text, expected) => {
    expect(valued("math_correctness", text)).toBe(expected);
  });
  it("as near as the tolerance says", () => {
    expect(valued("math_correctness", "10 / 3 = 3.33", { tolerance: 0.01 })).toBe(1);
  });
});
