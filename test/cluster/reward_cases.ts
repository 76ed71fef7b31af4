import { rewardParams } from "../../src/config/check_rewards.ts";
import type { RewardId } from "../../src/config/reward_catalog.ts";

/** Answers and references that take every branch of the rewards, and settings of each reward that changes what it does. */

const PAIRS: readonly (readonly [text: string, reference: string | null])[] = [
  ["The answer is 72.", "Natalia sold 48/2 = <<48/2=24>>24 clips in May. 48+24 = 72 altogether.\n#### 72"],
  ["48 / 2 = 24, and 48 + 24 = 72.\n#### 72", "72"],
  ["#### 1,000", "1000"],
  ["\\boxed{\\frac{1}{2}}", "0.5"],
  ["\\boxed{\\dfrac12} and \\boxed{1 \\frac{3}{4}}", "1.75"],
  ["<think>5 + 5 = 11</think><answer> 10 </answer>", "10"],
  ["<think> first, 3*4=12 </think>\n<answer>12</answer>", "12 apples"],
  ["The answer is **Paris**.", "Paris"],
  ["paris", '"Paris."'],
  ["I think it is Apollo 11", "Apollo 11"],
  ["First 2 + 2 = 4. Then 4 x 3 = 12. Finally the total is $12.50 because of tax.", "12.5"],
  ["2 + 2 = 5 = 5", "4"],
  ["10% of 50 = 5, (2 + 3)^2 = 25 and 7 ÷ 2 = 3.5", "3.5"],
  ["- 3 × 4 = 12\n2) 12 - 5 = 7\n• 8/0 = 3", "7"],
  ["−5", "-5"],
  ["x = -3", "-3"],
  ["between 3-4 and 10 - 2", "2"],
  ["1.2e3", "1200"],
  ["3 × 10^2", "300"],
  ["$1,234.50", "1234.5"],
  ["50%", "50"],
  ["the result: 1/3", "0.3333333"],
  ["", "5"],
  ["   \n ", "yes"],
  ["no number here at all", "7"],
  ["7", ""],
  ["7", null],
  ['```json\n{"a": 1, "b": [1, 2]}\n```', null],
  ['{"a": null}', '{"a": null}'],
  ["[1, 2, 3]", null],
  ['{"a": 1,}', null],
  ["NaN", null],
  ["<think>a</think><answer>b</answer>", "b"],
  [" <think>a</think>\n\n<answer>b</answer> ", "b"],
  ["<think>a</think><answer>b</answer> more", "b"],
  ["<answer>b</answer><think>a</think>", "b"],
  ["<think>a<think>b</think></think>", null],
  ["<think> step one\nstep two", null],
  ["the cat sat on the mat the cat sat on the mat", "the cat is on the mat"],
  ["a a a a a a a a", "a b"],
  [
    "Running runners ran happily; relational conditions, hopefully.",
    "The runner runs happily under relational conditions.",
  ],
  [
    "It's a well-known fact (so they say): 3.14, not 3,14!",
    "It is a well-known fact, they say: 3.14 and not 3,14.",
  ],
  ["Äpfel und Öl kosten 5 €", "Äpfel und Öl kosten 5 €"],
  ["The speed is 30 km, so in 2 hours it is 60 km \\text{km} \\times 1", "60 km"],
  ["\\left( \\frac{a}{b} \\right) \\cdot 2^{\\circ}", "a/b"],
  ["Answer: 18 dollars. Therefore 18.", "He has 3 eggs.\nHe sells 9 for 2 each.\nThe answer is 18."],
  ["answer is 17 or maybe 18", "18"],
  ["#### Results\nwe got 5", "5"],
  ["so #### Paris", "Paris"],
  ["(3, 4)", "(3,4)"],
  ["2x", "2"],
  ["1 2/3", "1.6666667"],
  ["100000000000000000000", "1e20"],
  ["word ".repeat(60), "word ".repeat(50)],
  ["\u00a0 7\u2009", "7"],
  ["\ud83d\ude00 five emojis \ud83d\ude00", "five"],
];

const SETTINGS: readonly (readonly [id: RewardId, params: Readonly<Record<string, unknown>>])[] = [
  ["accuracy", {}],
  ["accuracy", { marked_only: true, tolerance: 0.01 }],
  ["math_correctness", {}],
  ["math_reasoning", {}],
  ["math_reasoning", { check_correctness: false, check_format: false }],
  ["length", { min_length: 2, max_length: 12 }],
  ["length", { target_length: 20, unit: "characters" }],
  ["length", { min_length: 1, max_length: 9, unit: "tokens" }],
  ["format", {}],
  ["format", { partial: true }],
  ["think_format", {}],
  ["regex", { pattern: "\\d+\\s*=\\s*\\d+" }],
  ["regex", { pattern: "(?is)^.*\\bthe\\b.*$", full_match: true }],
  ["regex", { pattern: "[^\\w\\s]{2}", ignore_case: true }],
  ["json_valid", {}],
  ["json_valid", { required_keys: ["a"], allow_fence: false }],
  ["contains", {}],
  ["contains", { values: ["the", "answer"], mode: "share", ignore_case: false }],
  ["contains", { values: ["THE", "five"], mode: "any" }],
  ["cosine_scaled", {}],
  ["cosine_scaled", { max_len: 8 }],
  ["repetition_penalty", {}],
  ["repetition_penalty", { unit: "words", ngram_size: 2 }],
  ["soft_overlong_punishment", {}],
  ["soft_overlong_punishment", { max_completion_len: 12, soft_punish_cache: 6 }],
  ["bleu", {}],
  ["rouge", {}],
  ["rouge", { rouge_type: "rouge2", use_stemmer: false }],
];

/** The longest completion of the run, in tokens. */
export const LONGEST = 16;

export interface RewardCase {
  readonly type: RewardId;
  readonly params: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly ids: readonly number[];
  readonly reference: string | null;
}

/** One token a word, which is enough to count and compare. */
const idsOf = (text: string): number[] => {
  const words = text.split(/\s+/).filter(Boolean);
  return words.map((word) => words.indexOf(word));
};

export const rewardCases = (): readonly RewardCase[] =>
  SETTINGS.flatMap(([type, params]) =>
    PAIRS.map(([text, reference]) => ({
      ...{ type, params: rewardParams(type, params), text, ids: idsOf(text), reference },
    })),
  );
