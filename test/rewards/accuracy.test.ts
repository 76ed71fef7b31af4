import { describe, expect, it } from "vitest";
import { goldAnswer, markedAnswer, statedAnswer } from "../../src/rewards/answers.ts";
import { numbersIn, readNumber } from "../../src/rewards/numbers.ts";
import { item, valued } from "./item.ts";

const SOLUTION = "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = <<48+24=72>>72.\n#### 72";

describe("a number as a text", () => {
  it.each<[string, number | undefined]>([
    ["18", 18],
    [" $18.00 ", 18],
    ["-$5", -5],
    ["$-5", -5],
    ["\u2212 5", -5],
    ["+5", 5],
    ["1,234,567", 1234567],
    ["1{,}234", 1234],
    ["10\\,000", 10000],
    ["12,34", undefined],
    ["50%", 50],
    ["50\\%.", 50],
    ["18.", 18],
    [".5", 0.5],
    ["3/4", 0.75],
    ["-3/4", -0.75],
    ["\\frac{3}{4}", 0.75],
    ["\\dfrac34", 0.75],
    ["1 1/2", 1.5],
    ["1\\frac{1}{2}", 1.5],
    ["-2 1/2", -2.5],
    ["1/0", undefined],
    ["1.5e3", 1500],
    ["1.5 \\times 10^{3}", 1500],
    ["2 × 10^-2", 0.02],
    ["$18$", 18],
    ["\\(18\\)", 18],
    ["**18**", 18],
    ["90^\\circ", 90],
    ["2x", undefined],
    ["(3, 4)", undefined],
    ["eighteen", undefined],
    ["", undefined],
  ])("%s", (text, expected) => {
    expect(readNumber(text)).toBe(expected);
  });

  it.each<[string, readonly number[]]>([
    ["She has 5 - 3 = 2 apples.", [5, 3, 2]],
    ["It is -3, then 10-4.", [-3, 10, 4]],
    ["H2O at v1.2.3 costs $1,234.50 or 3/4.", [1234.5, 0.75]],
    ["The result is \\frac{1}{2}", [0.5]],
    ["Nothing.", []],
  ])("all numbers of: %s", (text, expected) => {
    expect(numbersIn(text)).toEqual(expected);
  });
});

describe("the marked answer", () => {
  it.each<[string, string | undefined]>([
    [SOLUTION, "72"],
    ["so \\boxed{\\frac{1}{\\sqrt{2}}} it is", "\\frac{1}{\\sqrt{2}}"],
    ["\\boxed{1} then \\boxed{2}", "2"],
    ["\\boxed{a \\} b}", "a \\} b"],
    ["\\boxed {7}", "7"],
    ["\\fbox{7}", "7"],
    ["\\boxed{2} and then \\boxed{3", "2"],
    ["<answer>\nThe sum is \\boxed{9}.\n</answer>", "9"],
    ["<think>5</think><answer> 8 </answer>", "8"],
    ["#### Step 3\nso \\boxed{5}", "5"],
    ["#### \\boxed{5}", "5"],
    ["####", undefined],
    ["#### Step 1\nadd\n", undefined],
    ["so\n#### Paris\n", "Paris"],
    ["no mark, 5", undefined],
  ])("%s", (text, expected) => {
    expect(markedAnswer(text)).toBe(expected);
  });

  it.each<[string, string | undefined]>([
    ["The answer is 3.5. Good.", "3.5"],
    ["**Answer:** 18 dollars", "18 dollars"],
    ["the final answer is: 7\nmore", "7"],
    ["The answer is 1. No, the answer is 2!", "2"],
    ["I have no idea.", undefined],
  ])("stated: %s", (text, expected) => {
    expect(statedAnswer(text)).toBe(expected);
  });

  it.each<[string, ReturnType<typeof goldAnswer>]>([
    [SOLUTION, { text: "72", number: 72 }],
    ["  1,000 ", { text: "1,000", number: 1000 }],
    ["18 apples", { text: "18 apples", number: 18 }],
    ["Apollo 11", { text: "Apollo 11", number: undefined }],
    ["#### (3, 4)", { text: "(3, 4)", number: undefined }],
    ["\\boxed{x = 5}", { text: "5", number: 5 }],
    ["First 3. Then the answer is 8.", { text: "8", number: 8 }],
    ["\n", null],
  ])("of a reference: %j", (reference, expected) => {
    expect(goldAnswer(reference)).toEqual(expected);
  });
});

describe("accuracy", () => {
  it.each<[string, string, number]>([
    ["She sold 72 clips.", SOLUTION, 1],
    ["#### 72", SOLUTION, 1],
    ["48+24 = 72\n#### 73", SOLUTION, 0],
    ["72 or maybe 71", SOLUTION, 0],
    ["#### Step 1: add 48 and 24\nThe answer is 72.", SOLUTION, 1],
    ["The answer is 72, since 48 + 24 works", SOLUTION, 1],
    ["The answer is: let me think. So 72", SOLUTION, 1],
    ["<think>It could be 71.</think>\\boxed{72}", SOLUTION, 1],
    ["<think>It is 72.</think>I do not know.", SOLUTION, 0],
    ["", SOLUTION, 0],
    ["????", SOLUTION, 0],
    ["\\boxed{72", SOLUTION, 1],
    ["$1,000.00 in all", "1000", 1],
    ["Total = $1,000.", "1000", 1],
    ["half of it, 0.5", "\\boxed{\\frac{1}{2}}", 1],
    ["1/3", "0.3333333333", 1],
    ["0.33", "1/3", 0],
    ["100001", "100000", 0],
    ["50%", "50", 1],
    ["-4", "4", 0],
    ["\\boxed{x = 5}", "5", 1],
    ["18 dollars per day", "18", 1],
    ["Paris.", "paris", 1],
    ["The answer is **Paris**.", "Paris", 1],
    ["I think it is Paris, surely", "Paris", 0],
    ["\\boxed{(3,4)}", "#### (3, 4)", 1],
    ["\\boxed{3}", "#### (3, 4)", 0],
    ["\\boxed{2x}", "\\boxed{2x}", 1],
    ["\\boxed{2}", "\\boxed{2x}", 0],
    ["\\boxed{\\text{(B)}}", "(B)", 1],
    ["9", "Apollo 9", 0],
  ])("%j for %j", (completion, reference, expected) => {
    expect(valued("accuracy", item(completion, { reference }))).toBe(expected);
  });

  it("only marked answers, when told so", () => {
    const params = { marked_only: true };
    expect(valued("accuracy", item("72", { reference: SOLUTION }), params)).toBe(0);
    expect(valued("accuracy", item("#### 72", { reference: SOLUTION }), params)).toBe(1);
  });
  it("as near as the tolerance says", () => {
    expect(valued("accuracy", item("3.14", { reference: "3.1416" }), { tolerance: 1e-3 })).toBe(1);
    expect(valued("accuracy", item("3.14", { reference: "3.1416" }))).toBe(0);
  });
  it.each([null, "", "  "])("does not apply for the reference %j", (reference) => {
    expect(valued("accuracy", item("72", { reference }))).toBeNull();
  });
  it("does not run away on long texts", () => {
    const long = `${"((((----,,,, 1 ".repeat(4000)}\\boxed{${"{".repeat(4000)}`;
    expect(valued("accuracy", item(long, { reference: "1" }))).toBe(1);
    expect(valued("accuracy", item("ab-cd ".repeat(10000), { reference: "#### ab cd 5 ef 6" }))).toBe(0);
  });
});
