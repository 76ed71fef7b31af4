import { describe, expect, it } from "vitest";
import { REWARD_IDS, REWARDS } from "../../src/config/reward_catalog.ts";
import { stemOf } from "../../src/rewards/porter_stemmer.ts";
import { BUILT_IN } from "../../src/rewards/registry.ts";
import { item, tokens, valued } from "./item.ts";

type Params = Readonly<Record<string, unknown>>;

/** Porter's own examples and the exceptions. */
const STEMS: Readonly<Record<string, string>> = {
  caresses: "caress",
  ponies: "poni",
  ties: "tie",
  caress: "caress",
  cats: "cat",
  feed: "feed",
  agreed: "agre",
  plastered: "plaster",
  bled: "bled",
  motoring: "motor",
  sing: "sing",
  conflated: "conflat",
  troubled: "troubl",
  sized: "size",
  hopping: "hop",
  tanned: "tan",
  falling: "fall",
  hissing: "hiss",
  fizzed: "fizz",
  failing: "fail",
  filing: "file",
  happy: "happi",
  sky: "sky",
  enjoy: "enjoy",
  relational: "relat",
  conditional: "condit",
  rational: "ration",
  valenci: "valenc",
  digitizer: "digit",
  radically: "radic",
  differently: "differ",
  vilely: "vile",
  analogously: "analog",
  vietnamization: "vietnam",
  predication: "predic",
  operator: "oper",
  feudalism: "feudal",
  decisiveness: "decis",
  hopefulness: "hope",
  callousness: "callous",
  formality: "formal",
  sensitivity: "sensit",
  sensibility: "sensibl",
  hopefully: "hope",
  geology: "geolog",
  triplicate: "triplic",
  formative: "form",
  formalize: "formal",
  electricity: "electr",
  electrical: "electr",
  goodness: "good",
  revival: "reviv",
  allowance: "allow",
  inference: "infer",
  airliner: "airlin",
  gyroscopic: "gyroscop",
  adjustable: "adjust",
  defensible: "defens",
  irritant: "irrit",
  replacement: "replac",
  adjustment: "adjust",
  dependent: "depend",
  adoption: "adopt",
  communism: "commun",
  activate: "activ",
  angularity: "angular",
  homologous: "homolog",
  effective: "effect",
  bowdlerize: "bowdler",
  probate: "probat",
  rate: "rate",
  cease: "ceas",
  controll: "control",
  roll: "roll",
  dying: "die",
  skies: "sky",
  flies: "fli",
  spied: "spi",
  innings: "inning",
  proceed: "proceed",
};

const REGEX = { pattern: "a" };

describe("the registry", () => {
  it("is the catalogue's, one for one", () => {
    expect(Object.keys(BUILT_IN)).toEqual(REWARD_IDS);
  });
  it.each(REWARD_IDS)("%s carries its entry", (id) => {
    expect(BUILT_IN[id]).toMatchObject({ id, ...REWARDS[id] });
  });
  it.each(REWARD_IDS)("%s has nothing to say exactly where its entry says so", (id) => {
    const params = id === "regex" ? REGEX : {};
    const alone = valued(id, item("Some words, 1 + 1 = 2."), params);
    const withReference = valued(id, item("Some words, 1 + 1 = 2.", { reference: "2" }), params);
    expect(alone === null).toBe((REWARDS[id].needs as readonly string[]).includes("reference"));
    expect(withReference).toEqual(expect.any(Number));
  });
  it.each(REWARD_IDS)("%s survives malformed completions", (id) => {
    const params = id === "regex" ? REGEX : {};
    const odd = ["", " \n ", "\u0000\ud800", "<think>", "{".repeat(500), "\\boxed{", "====", "🙂🙂🙂🙂"];
    for (const text of odd) {
      expect(
        Number.isFinite(valued(id, item(text, { reference: "1", completionIds: tokens(3) }), params)),
      ).toBe(true);
    }
  });
});

describe("math_reasoning", () => {
  // Reasoning: first, then .4; digits .3; three sentences .2; answer .1. Form: operation .3, equal sign .2, words differ .1.
  const good = "First we add. Then 2 + 3 = 5. The answer is 5.";
  const none = { check_correctness: false, check_reasoning: false, check_format: false };
  it("counts its parts", () => {
    expect(valued("math_reasoning", good, { ...none, check_reasoning: true })).toBeCloseTo(1, 12);
    expect(valued("math_reasoning", good, { ...none, check_format: true })).toBeCloseTo(0.6, 12);
    const right = item(good, { reference: "5" });
    expect(valued("math_reasoning", right, { ...none, check_correctness: true })).toBe(1);
    expect(valued("math_reasoning", right)).toBeCloseTo((1 + 1 + 0.6) / 3, 12);
    expect(valued("math_reasoning", item(good, { reference: "6" }))).toBeCloseTo(1.6 / 3, 12);
  });
  it("leaves the answer out without a reference", () => {
    expect(valued("math_reasoning", good)).toBeCloseTo(0.8, 12);
    expect(valued("math_reasoning", good, { ...none, check_correctness: true })).toBeNull();
  });
  it("counts LaTeX and units", () => {
    const text = "$x$ costs 5 dollars or 7 dollars or 9 dollars";
    expect(valued("math_reasoning", text, { ...none, check_format: true })).toBeCloseTo(0.2 + 0.2 + 0.1, 12);
  });
  it("an empty answer is worth nothing", () => {
    expect(valued("math_reasoning", "")).toBe(0);
  });
});

describe("length", () => {
  const words = (count: number) => Array.from({ length: count }, () => "w").join(" ");
  it.each([
    [9, {}, 0],
    [10, {}, 1],
    [500, {}, 1],
    [501, {}, 0],
    [50, { target_length: 50 }, 1],
    [0, { target_length: 50 }, 0.5],
    [150, { target_length: 200 }, 0.75],
    [500, { target_length: 200 }, 0],
  ])("%i words %j", (count, params, expected) => {
    expect(valued("length", words(count), params)).toBe(expected);
  });
  it("of tokens or characters", () => {
    const params = { min_length: 2, max_length: 3 };
    expect(valued("length", item("x", { completionIds: tokens(3) }), { ...params, unit: "tokens" })).toBe(1);
    expect(valued("length", item("x", { completionIds: tokens(4) }), { ...params, unit: "tokens" })).toBe(0);
    expect(valued("length", "🙂🙂🙂", { ...params, unit: "characters" })).toBe(1);
  });
});

describe("format", () => {
  it.each([
    ["<think>a</think><answer>b</answer>", 1, 1],
    [" <think>\na\n</think>\n\n<answer>b</answer>\n", 1, 1],
    ["<answer>b</answer><think>a</think>", 0, 1],
    ["Well: <think>a</think><answer>b</answer>", 0, 1],
    ["<think>a</think>", 0, 0.5],
    ["<think>a</think><think>a</think><answer>b</answer>", 0, 0.5],
    ["<think>a<answer>b</answer>", 0, 0.5],
    ["", 0, 0],
  ])("%j", (text, whole, partial) => {
    expect(valued("format", text)).toBe(whole);
    expect(valued("format", text, { partial: true })).toBe(partial);
  });
  it("with other tags", () => {
    expect(valued("format", "<sql>select 1</sql>", { tags: ["sql"] })).toBe(1);
  });
});

describe("think_format, as TRL's examples have it", () => {
  it.each([
    ["<think>\nThis is my reasoning.\n</think>\nThis is my answer.", 1],
    ["<think>\nThis is my reasoning.\nThis is my answer.", 0],
    ["<think></think>", 1],
    ["Well <think>a</think>", 0],
    ["\n<think>a</think>", 0],
    ["<think>a<think>b</think>", 0],
    ["<think>a</think><think>", 0],
    ["a</think>", 0],
  ])("%j", (text, expected) => {
    expect(valued("think_format", text)).toBe(expected);
  });
});

describe("regex", () => {
  it.each<[string, Params, string, number]>([
    ["\\d+", {}, "it is 5", 1],
    ["\\d+", {}, "none", 0],
    ["\\d+", { full_match: true }, "5 it is", 0],
    ["\\d+", { full_match: true }, "55", 1],
    ["a|ab", { full_match: true }, "ab", 1],
    ["yes", { ignore_case: true }, "YES", 1],
    ["(?i)yes", {}, "YES", 1],
    ["(?s)a.b", {}, "a\nb", 1],
    ["a.b", {}, "a\nb", 0],
    ["(?m)^b$", {}, "a\nb", 1],
    ["(?m)^b$", { full_match: true }, "a\nb", 0],
    ["(?P<n>\\d)\\k<n>", {}, "55", 1],
  ])("%s %j in %j", (pattern, params, text, expected) => {
    expect(valued("regex", text, { pattern, ...params })).toBe(expected);
  });
});

describe("json_valid", () => {
  it.each<[string, Params, number]>([
    ['{"a": 1}', {}, 1],
    [" [1, 2]\n", {}, 1],
    ["null", {}, 1],
    ["{a: 1}", {}, 0],
    ['{"a": 1', {}, 0],
    ["", {}, 0],
    ['Here: {"a": 1}', {}, 0],
    ['```json\n{"a": 1}\n```', {}, 1],
    ['```json\n{"a": 1}\n```', { allow_fence: false }, 0],
    ['{"a": 1, "b": null}', { required_keys: ["a", "b"] }, 1],
    ['{"a": 1}', { required_keys: ["a", "b"] }, 0],
    ["[1]", { required_keys: ["length"] }, 0],
    ["{}", { required_keys: ["toString"] }, 0],
  ])("%j %j", (text, params, expected) => {
    expect(valued("json_valid", text, params)).toBe(expected);
  });
});

describe("contains", () => {
  it.each<[string, Params, number]>([
    ["Cats and DOGS", { values: ["cat", "dog"] }, 1],
    ["Cats only", { values: ["cat", "dog"] }, 0],
    ["Cats only", { values: ["cat", "dog"], mode: "any" }, 1],
    ["Cats only", { values: ["cat", "dog", "only", "bird"], mode: "share" }, 0.5],
    ["cats", { values: ["Cat"], ignore_case: false }, 0],
  ])("%j %j", (text, params, expected) => {
    expect(valued("contains", text, params)).toBe(expected);
  });
  it("the reference, when no texts are given", () => {
    expect(valued("contains", item("so Paris it is", { reference: " paris " }))).toBe(1);
    expect(valued("contains", item("so 72 it is", { reference: "48 + 24\n#### 72" }))).toBe(1);
    expect(valued("contains", item("so Rome it is", { reference: "Paris" }))).toBe(0);
    expect(valued("contains", item("", { reference: "" }))).toBeNull();
  });
});

describe("cosine_scaled", () => {
  const at = (length: number, right: boolean, params: Params = {}) =>
    valued(
      "cosine_scaled",
      item("5", { reference: right ? "5" : "6", completionIds: tokens(length) }),
      params,
    );
  // v_min + (v_max - v_min) (1 + cos(pi l / L)) / 2 with L = 100.
  it.each([
    [0, 1, -1],
    [25, 0.75 + 0.25 * Math.SQRT1_2, -0.75 - 0.25 * Math.SQRT1_2],
    [50, 0.75, -0.75],
    [100, 0.5, -0.5],
    [150, 0.5, -0.5],
  ])("at %i of 100 tokens", (length, right, wrong) => {
    expect(at(length, true)).toBeCloseTo(right, 12);
    expect(at(length, false)).toBeCloseTo(wrong, 12);
  });
  it("with values of its own", () => {
    expect(at(10, true, { max_len: 20, min_value_correct: 0, max_value_correct: 4 })).toBeCloseTo(2, 12);
  });
});

describe("repetition_penalty", () => {
  const of = (ids: readonly number[], params: Params = {}) =>
    valued("repetition_penalty", item("", { completionIds: ids }), params);
  it.each<[readonly number[], Params, number]>([
    [[1, 2, 3, 4, 5], {}, 0],
    [[1, 1], {}, 0],
    [[], {}, 0],
    // 4 trigrams of one kind: 1 - 1 / 4.
    [[1, 1, 1, 1, 1, 1], {}, -0.75],
    // 12 23 31 12 23: 3 of 5 differ.
    [[1, 2, 3, 1, 2, 3], { ngram_size: 2 }, -0.4],
    [[1, 2, 3, 1, 2, 3], { ngram_size: 2, max_penalty: -0.5 }, -0.2],
    [[12, 3, 1, 23], { ngram_size: 2 }, 0],
  ])("%j %j", (ids, params, expected) => {
    expect(of(ids, params)).toBeCloseTo(expected, 12);
  });
  it("is no negative zero", () => {
    expect(Object.is(of([1, 2, 3, 4]), 0)).toBe(true);
  });
  it("of words", () => {
    expect(valued("repetition_penalty", "the the The THE", { unit: "words", ngram_size: 1 })).toBe(-0.75);
  });
});

describe("soft_overlong_punishment", () => {
  const of = (length: number, params: Params = { soft_punish_cache: 20 }) =>
    valued("soft_overlong_punishment", item("", { completionIds: tokens(length) }), params);
  it.each([
    [0, 0],
    [80, 0],
    [81, -0.05],
    // The example of TRL's documentation.
    [90, -0.5],
    [100, -1],
    [101, -1],
    [500, -1],
  ])("%i of 100 tokens with a margin of 20", (length, expected) => {
    expect(of(length)).toBe(expected);
  });
  it("with its own limit, a margin of a fifth, and none", () => {
    expect(of(45, { max_completion_len: 50 })).toBe(-0.5);
    expect(of(100, { soft_punish_cache: 0 })).toBe(0);
    expect(of(101, { soft_punish_cache: 0 })).toBe(-1);
  });
});

describe("bleu, as sacrebleu 2.6.0 gives it", () => {
  const of = (completion: string, reference: string) => valued("bleu", item(completion, { reference }));
  it.each<[string, string, number]>([
    ["the cat is on a mat", "The cat sat on the mat.", 0.0971654721818804],
    [
      "The quick brown fox jumps over the lazy dog",
      "the quick brown dog jumps over the lazy fox.",
      0.3413065354365521,
    ],
    [
      "It costs $3.50, i.e. 1,000 times 2-3 items (x).",
      "It costs $3.50, i.e. 1,000 times 2-3 items.",
      0.7828785637123026,
    ],
    ["one", "one two three", 0.13533528323661276],
    ["A & B", "A &amp; B", 1.0000000000000004],
    ["a a a a a", "a b c d e", 0.10682175159905848],
    ["end-\nof line", "endof line", 1.0000000000000004],
    ["nothing shared", "the cat", 0.0],
    ["", "the cat", 0.0],
    ["the cat sat on the mat today", "the cat sat on the mat", 0.8091067115702206],
  ])("%j for %j", (completion, reference, expected) => {
    expect(of(completion, reference)).toBeCloseTo(expected, 10);
  });
});

describe("rouge", () => {
  const of = (completion: string, reference: string, params: Params = {}) =>
    valued("rouge", item(completion, { reference }), params);
  it.each<[string, string, Params, number]>([
    // The example of the paper (Lin, 2004): police kill the gunman; the longest common subsequence has 2 or 3 of 4 words.
    ["police killed the gunman", "police kill the gunman", {}, 1],
    ["police killed the gunman", "police kill the gunman", { use_stemmer: false }, 0.75],
    ["the gunman kill police", "police kill the gunman", {}, 0.5],
    ["the gunman kill police", "police kill the gunman", { rouge_type: "rouge1" }, 1],
    // One of three pairs of words.
    ["the gunman kill police", "police kill the gunman", { rouge_type: "rouge2" }, 1 / 3],
    // 2 shared of 2 and 4 words: 2 * 2 / 6.
    ["the cat", "The cat, it sat.", {}, 2 / 3],
    ["dog", "cat", {}, 0],
    ["", "cat", {}, 0],
    ["cat", "cat", { rouge_type: "rouge2" }, 0],
    ["größe zählt", "Größe zählt!", {}, 1],
  ])("%j for %j %j", (completion, reference, params, expected) => {
    expect(of(completion, reference, params)).toBeCloseTo(expected, 12);
  });

  it.each(Object.entries(STEMS))("stems as NLTK 3.10.3: %s", (word, stem) => {
    expect(stemOf(word)).toBe(stem);
  });
});
