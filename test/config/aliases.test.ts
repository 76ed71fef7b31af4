import { describe, expect, it } from "vitest";
import { ALGORITHMS, type Algorithm } from "../../src/config/algorithm.ts";
import { ALIASES, meaningOf, SECTIONS } from "../../src/config/aliases.ts";
import { CONVERSIONS } from "../../src/config/conversions.ts";
import { ALL_KEYS, algorithmsWith, fieldsOf } from "../../src/config/fields.ts";
import { readSettings } from "../../src/config/read_settings.ts";

describe("every alias leads to a setting", () => {
  it.each(Object.entries(ALIASES))("%s means %s", (alias, key) => {
    expect(ALL_KEYS).toContain(key);
    expect(ALL_KEYS).not.toContain(alias);
    const algorithm = algorithmsWith(key)[0] ?? "sft";
    expect(meaningOf(alias, "top", algorithm)).toEqual({ kind: "setting", key });
  });
});

describe("every setting is known by its own name, in every method", () => {
  it.each(ALGORITHMS)("%s", (algorithm) => {
    for (const key of Object.keys(fieldsOf(algorithm))) {
      const meaning = meaningOf(key, "train", algorithm);
      if (!Object.hasOwn(CONVERSIONS, key)) expect(meaning, key).toEqual({ kind: "setting", key });
    }
  });
});

describe("names whose meaning depends on the method", () => {
  it.each([
    ["kl_coef", "grpo", "beta"],
    ["kl_coef", "ppo", "kl_coef"],
    ["beta", "ppo", "kl_coef"],
    ["pref_beta", "ppo", "kl_coef"],
    ["pref_beta", "dpo", "beta"],
    ["cliprange", "gspo", "epsilon"],
    ["epsilon", "ppo", "cliprange"],
    ["num_ppo_epochs", "grpo", "num_iterations"],
    ["num_iterations", "ppo", "num_ppo_epochs"],
    ["label_smoothing", "sft", "label_smoothing_factor"],
    ["label_smoothing_factor", "dpo", "label_smoothing"],
    ["response_length", "ppo", "max_completion_length"],
  ] as const)("%s in %s is %s", (name, algorithm: Algorithm, key) => {
    expect(meaningOf(name, "train", algorithm)).toEqual({ kind: "setting", key });
  });
});

it.each(["batch-size", "--batch-size", "Batch_Size"])("%s is batch_size", (name) => {
  expect(readSettings({ [name]: 4 }).values).toEqual({ batch_size: 4 });
});

it.each(Object.keys(SECTIONS))("the section %s may hold settings", (section) => {
  expect(readSettings({ [section]: { seed: 5 } })).toMatchObject({ values: { seed: 5 }, problems: [] });
});

it("our own name wins over an alias that says otherwise", () => {
  const review = readSettings({ model: { max_seq_length: 512 }, train: { max_length: 1024 } });
  expect(review.values).toEqual({ max_seq_length: 512 });
  expect(review.notUsed).toMatchObject([{ path: "train.max_length", why: /model\.max_seq_length/ }]);
});
