import { describe, expect, expectTypeOf, it } from "vitest";
import { ALGORITHMS, parseAlgorithm } from "../../src/config/algorithm.ts";
import { GROUPS } from "../../src/config/field.ts";
import {
  type DpoConfig,
  defaultOf,
  fieldData,
  fieldsOf,
  type GroupConfig,
  type RunConfig,
  type SftConfig,
} from "../../src/config/fields.ts";

describe.each(ALGORITHMS)("declarations of %s", (algorithm) => {
  const rows = Object.entries(fieldsOf(algorithm));

  it("have defaults that pass their own checks", () => {
    for (const [key, field] of rows) {
      expect(field.check.safeParse(defaultOf(field, algorithm)).success, key).toBe(true);
      expect(field.check.safeParse(field.suggested).success || field.suggested === "", key).toBe(true);
    }
  });

  it("are described in one sentence or more, in a known group", () => {
    for (const [key, field] of rows) {
      expect(field.help, key).toMatch(/^\S.{10,}[.]$/);
      expect(field.label, key).toMatch(/^[A-Z0-9]/);
      expect(Object.keys(GROUPS), key).toContain(field.group);
      expect(field.nullable, key).toBe(field.empty !== undefined);
    }
  });

  it("crosses to the page as plain data", () => {
    const data = fieldData(algorithm);
    expect(structuredClone(data)).toEqual(data);
    expect(data.find((row) => row.key === "algorithm")?.default).toBe(algorithm);
  });
});

it("keeps the short form short", () => {
  const basic = fieldData("sft").filter((row) => !row.advanced && row.group !== "data");
  expect(basic.length).toBeLessThanOrEqual(12);
});

describe("defaults by algorithm", () => {
  const at = (algorithm: (typeof ALGORITHMS)[number], key: string) => {
    const field = fieldsOf(algorithm)[key];
    return field && defaultOf(field, algorithm);
  };
  it.each([
    ["sft", "learning_rate", 1e-5],
    ["grpo", "beta", 0.04],
    ["dr_grpo", "beta", 0],
    ["dr_grpo", "scale_rewards", "none"],
    ["dr_grpo", "loss_type", "dr_grpo"],
    ["dapo", "loss_type", "dapo"],
    ["dapo", "dynamic_sampling", true],
    ["dapo", "mask_truncated_completions", true],
    ["gspo", "epsilon", 3e-4],
    ["gspo", "importance_sampling_level", "sequence"],
    ["gspo", "loss_type", "grpo"],
    ["ppo", "kl_coef", 0.05],
    ["ppo", "num_ppo_epochs", 4],
    ["dpo", "beta", 0.1],
    ["dpo", "loss_type", ["sigmoid"]],
  ] as const)("%s: %s", (algorithm, key, value) => {
    expect(at(algorithm, key)).toEqual(value);
  });
});

describe("algorithm spellings", () => {
  it.each([
    ["dr_grpo", "dr_grpo"],
    ["drgrpo", "dr_grpo"],
    ["dr-grpo", "dr_grpo"],
    ["Dr. GRPO", "dr_grpo"],
    ["GRPO", "grpo"],
    ["llm-sft", "sft"],
    ["kto", undefined],
  ])("%s", (spelling, algorithm) => {
    expect(parseAlgorithm(spelling)).toBe(algorithm);
  });
});

it("types a run by its algorithm", () => {
  expectTypeOf<SftConfig["model_name"]>().toEqualTypeOf<string>();
  expectTypeOf<SftConfig["max_steps"]>().toEqualTypeOf<number | null>();
  expectTypeOf<SftConfig["loss_type"]>().toEqualTypeOf<"nll" | "dft">();
  expectTypeOf<GroupConfig["num_generations"]>().toEqualTypeOf<number>();
  expectTypeOf<GroupConfig["dataset_name"]>().toEqualTypeOf<string | null>();
  expectTypeOf<DpoConfig["algorithm"]>().toEqualTypeOf<"dpo">();
  expectTypeOf<Extract<RunConfig, { algorithm: "sft" }>>().toEqualTypeOf<SftConfig>();
});
