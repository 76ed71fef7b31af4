import { describe, expect, it } from "vitest";
import { needsReference, rewardParams } from "../../src/config/check_rewards.ts";
import { exportYaml } from "../../src/config/export_yaml.ts";
import { parseConfig } from "../../src/config/parse_config.ts";
import { readReward } from "../../src/config/read_reward.ts";
import { resolve } from "../../src/config/resolve.ts";
import { REWARD_IDS, rewardNamed } from "../../src/config/reward_catalog.ts";
import { rewardData, rewardSettingsData } from "../../src/config/reward_data.ts";
import { languageOfCode, splitReference } from "../../src/config/reward_source.ts";
import { rewardNames } from "../../src/config/rewards.ts";

const HEAD = "algorithm: grpo\nmodel_name: a/b\ndataset_name: c/d\nrewards:\n";
const read = (rewards: string) => {
  const review = parseConfig(`${HEAD}${rewards}`);
  return { review, ...resolve({ file: review }) };
};
const rewardsOf = (text: string) => (read(text).config as { rewards?: unknown } | undefined)?.rewards;
const base = { weight: 1, params: {} };

describe("rewards in their spellings", () => {
  it.each<[string, object]>([
    ["  - accuracy_reward", { ...base, type: "accuracy" }],
    ["  - Exact Match", { ...base, type: "accuracy" }],
    ["  - type: math", { ...base, type: "math_reasoning" }],
    ["  - {type: get_cosine_scaled_reward}", { ...base, type: "cosine_scaled" }],
    ["  - 'length:weight=0.5:max_length=20'", { type: "length", weight: 0.5, params: { max_length: 20 } }],
    ["  - 'length:clip=1:normalize=true'", { ...base, type: "length", normalize: true, clip: [-1, 1] }],
    [
      "  - {type: length, params: {max_length: '20'}}",
      { type: "length", weight: 1, params: { max_length: 20 } },
    ],
    ["  - {type: length, max_length: 20}", { type: "length", weight: 1, params: { max_length: 20 } }],
    [
      "  - {type: soft_overlong_punishment, params: {max_len: 100, overlong_buffer: 20}}",
      {
        type: "soft_overlong_punishment",
        weight: 1,
        params: { max_completion_len: 100, soft_punish_cache: 20 },
      },
    ],
    ["  - {type: accuracy, clip: 5}", { ...base, type: "accuracy", clip: [-5, 5] }],
    ["  - {type: accuracy, clip: [null, 1]}", { ...base, type: "accuracy", clip: [null, 1] }],
    ["  - {type: accuracy, clip: null, normalize: no}", { ...base, type: "accuracy", normalize: false }],
    ["  - {name: accuracy, weight: 2}", { type: "accuracy", weight: 2, params: {} }],
  ])("%s", (text, expected) => {
    expect(read(text).issues).toEqual([]);
    expect(rewardsOf(text)).toEqual([expected]);
  });

  it("accuracy when none are given", () => {
    const { config } = resolve({ file: parseConfig(HEAD.replace("rewards:\n", "")) });
    expect(config).toMatchObject({ rewards: [{ type: "accuracy", weight: 1, params: {} }] });
  });
});

describe("custom rewards", () => {
  it.each<[string, object]>([
    [
      "  - {type: custom, params: {reward_function: rewards.py#short}}",
      { ...base, type: "custom", file: "rewards.py", function: "short" },
    ],
    [
      "  - {type: custom, reward_function: ../my code/r.mjs#short, params: {limit: 3}}",
      { type: "custom", weight: 1, params: { limit: 3 }, file: "../my code/r.mjs", function: "short" },
    ],
    ["  - ./rewards.ts#short", { ...base, type: "custom", file: "./rewards.ts", function: "short" }],
    [
      "  - './rewards.ts#short:weight=0.5'",
      { type: "custom", weight: 0.5, params: {}, file: "./rewards.ts", function: "short" },
    ],
    [
      "  - {type: custom, file: r.py, function: short}",
      { ...base, type: "custom", file: "r.py", function: "short" },
    ],
    [
      "  - {type: custom, file: r.py, code: short}",
      { ...base, type: "custom", file: "r.py", function: "short" },
    ],
    ["  - {type: custom, code: r.py}", { ...base, type: "custom", file: "r.py" }],
    [
      "  - {type: custom, language: JS, code: 'x => 1'}",
      { ...base, type: "custom", code: "x => 1", language: "javascript" },
    ],
    [
      "  - {code: 'function a() {}', function: a, name: mine}",
      { ...base, type: "custom", name: "mine", code: "function a() {}", function: "a" },
    ],
  ])("%s", (text, expected) => {
    expect(read(text).issues).toEqual([]);
    expect(rewardsOf(text)).toEqual([expected]);
  });

  it("come back from an exported file", () => {
    const rewards = [
      { type: "custom", weight: 0.5, params: { n: 1 }, file: "a/b.py", function: "f", normalize: true },
      { type: "accuracy", weight: 1, params: {}, clip: [null, 2] },
      { type: "custom", weight: 1, params: {}, code: "def f(text):\n  return 1", language: "python" },
    ];
    const text = exportYaml({ algorithm: "grpo", model_name: "a/b", dataset_name: "c/d", rewards });
    expect(resolve({ file: parseConfig(text) }).config).toMatchObject({ rewards });
  });

  it.each([
    ["rewards.py#short", { file: "rewards.py", function: "short", language: "python" }],
    ["C:\\me\\r.TS#a_1", { file: "C:\\me\\r.TS", function: "a_1", language: "typescript" }],
    ["/x/r.js", { file: "/x/r.js", language: "javascript" }],
    ["rewards.lua#short", undefined],
    ["my_reward", undefined],
    ["(x) => x.py", undefined],
    ["def f():\n  return r.py", undefined],
    ["r.py#not a name", undefined],
  ])("splits %s", (text, expected) => {
    expect(splitReference(text)).toEqual(expected);
  });

  it.each([
    ["def f(text):\n  return 1", "python"],
    ["import re\nasync def f(text):\n  return 1", "python"],
    ["f = lambda text: 1", "python"],
    ["function f(text) { return 1 }", "javascript"],
    ["(text) => ({ a: 1 })", "javascript"],
    ["(text: string) => 1", "typescript"],
    ["type A = number;\nexport function f(text) { return 1 }", "typescript"],
    ["1 + 1", undefined],
  ])("guesses the language of %j", (code, language) => {
    expect(languageOfCode(code)).toBe(language);
  });
});

describe("what is refused", () => {
  it.each<[string, string, number, string, string | undefined]>([
    ["  - type: accurracy", "rewards.0.type", 5, 'no reward "accurracy"', "accuracy"],
    ["  - type: accuracy\n  - type: cosin_scaled", "rewards.1.type", 6, "no reward", "cosine_scaled"],
    ["  - type: sentiment", "rewards.0.type", 5, "needs a classifier", undefined],
    ["  - type: mbpp_reward", "rewards.0.type", 5, "runs or parses generated Python", undefined],
    [
      "  - type: length\n    params:\n      min_length: 2\n      max_lenght: 9",
      "rewards.0.params.max_lenght",
      8,
      "length has no parameter max_lenght",
      "max_length",
    ],
    ["  - type: think_format\n    params: {a: 1}", "rewards.0.params.a", 6, "It has none", undefined],
    [
      "  - type: length\n    params: {max_length: many}",
      "rewards.0.params.max_length",
      6,
      "must be a whole number",
      undefined,
    ],
    [
      "  - type: length\n    params: {unit: tokns}",
      "rewards.0.params.unit",
      6,
      "must be one of words, tokens, characters",
      "tokens",
    ],
    [
      "  - type: length\n    params: {min_length: 9, max_length: 5}",
      "rewards.0.params.min_length",
      6,
      "is more than max_length (5)",
      undefined,
    ],
    ["  - type: regex", "rewards.0.params", 4, "needs the parameter pattern", undefined],
    [
      "  - type: regex\n    params: {pattern: '('}",
      "rewards.0.params.pattern",
      6,
      "not a regular",
      undefined,
    ],
    [
      "  - type: format\n    params: {tags: [<a>]}",
      "rewards.0.params.tags",
      6,
      "without brackets",
      undefined,
    ],
    [
      "  - type: contains\n    params: {keywords: [a], values: [b]}",
      "rewards.0.params.keywords",
      6,
      "same parameter",
      undefined,
    ],
    ["  - type: accuracy\n    code: x => 1", "rewards.0.type", 5, "takes no code", "custom"],
    ["  - type: mine\n    code: x => 1", "rewards.0.type", 5, "has type: custom", "custom"],
    ["  - type: custom\n    code: 1 + 1", "rewards.0.language", 4, "language of the code", undefined],
    ["  - type: custom\n    file: r.lua", "rewards.0.file", 6, "end in .py", undefined],
    ["  - {type: accuracy, clip: [2, 1]}", "rewards.0.clip", 5, "smaller number first", undefined],
    [
      "  - {type: math_reasoning, params: {check_correctness: no, check_reasoning: no, check_format: no}}",
      "rewards.0.params.check_correctness",
      5,
      "nothing to count",
      undefined,
    ],
  ])("%s", (text, path, line, message, suggestion) => {
    const { review, issues, config } = read(text);
    expect(review.problems).toEqual([]);
    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatchObject({ path, line });
    expect(issues[0]?.message).toContain(message);
    expect(issues[0]?.suggestion).toBe(suggestion);
    expect(config).toBeUndefined();
  });

  it.each([
    ["  - {type: accuracy, wieght: 2}", "rewards.0.wieght", "weight"],
    ["  - accuracy\n  - {type: length, prams: {}}", "rewards.1.prams", "params"],
  ])("a key that no reward has: %s", (text, path, suggestion) => {
    expect(read(text).review.problems).toMatchObject([{ path, suggestion }]);
  });

  it.each(["my_reward", "rewards.lua#short"])("a function that is not there: %s", (code) => {
    const { issues } = read(`  - {type: custom, code: "${code}"}`);
    expect(issues).toMatchObject([{ path: "rewards" }]);
    expect(issues[0]?.message).toContain(code);
  });

  it("nothing, where the values are in a file of rollouts", () => {
    const text = `${HEAD}  - type: correct\nrollouts_path: r.jsonl\n`;
    expect(resolve({ file: parseConfig(text) }).issues).toEqual([]);
  });
});

describe("what AlignTune has and we do not use", () => {
  it("is listed", () => {
    const { review, notes, issues } = read(
      "  - type: math_reasoning\n    shield: true\n    model_name: a/b\n    params: {dataset_type: auto}",
    );
    expect(review.notUsed).toMatchObject([
      { path: "rewards.0.shield", line: 6 },
      { path: "rewards.0.model_name", line: 7 },
    ]);
    expect(notes).toMatchObject([{ path: "rewards.0.params.dataset_type", line: 8 }]);
    expect(issues).toEqual([]);
  });
});

describe("names", () => {
  const spec = (type: string, more: object = {}) => ({ ...base, type, ...more });
  it.each([
    [
      [spec("accuracy"), spec("accuracy"), spec("accuracy")],
      ["accuracy", "accuracy_2", "accuracy_3"],
    ],
    [
      [spec("custom", { function: "f" }), spec("custom")],
      ["f", "custom"],
    ],
    [
      [spec("length"), spec("length"), spec("regex", { name: "length_2" })],
      ["length", "length_3", "length_2"],
    ],
    [
      [spec("accuracy", { name: "a" }), spec("length", { name: "a" })],
      ["a", "a_2"],
    ],
  ])("are all different: %#", (rewards, names) => {
    expect(rewardNames(rewards)).toEqual(names);
  });
});

describe("the catalogue", () => {
  it("gives every spelling to one reward", () => {
    expect(rewardNamed("Get Repetition-Penalty Reward")).toBe("repetition_penalty");
    expect(rewardNamed("custom")).toBeUndefined();
  });
  it.each(REWARD_IDS)("%s has good defaults and is plain data", (id) => {
    const row = rewardData().find((reward) => reward.id === id);
    expect(structuredClone(row)).toEqual(row);
    expect(row?.help).toMatch(/^[A-Z01].*\.$/);
    const { params } = readReward({ type: id }) as { params: Record<string, unknown> };
    const issues = resolve({
      file: { values: { algorithm: "grpo", model_name: "a", dataset_name: "b", rewards: [id] } },
    }).issues.filter(({ message }) => !message.includes("needs the parameter"));
    expect(issues).toEqual([]);
    expect(Object.keys(rewardParams(id, params))).toEqual(row?.params.map(({ key }) => key));
  });
  it("lists what all rewards have", () => {
    expect(rewardSettingsData().map(({ key }) => key)).toEqual(["weight", "normalize", "clip"]);
  });
  it("knows which need a reference", () => {
    expect(needsReference({ ...base, type: "accuracy" })).toBe(true);
    expect(needsReference({ ...base, type: "contains" })).toBe(true);
    expect(needsReference({ ...base, type: "contains", params: { values: ["a"] } })).toBe(false);
    expect(needsReference({ ...base, type: "math_reasoning" })).toBe(false);
    expect(needsReference({ ...base, type: "custom" })).toBe(false);
  });
});
