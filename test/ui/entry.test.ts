import { describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../src/config/algorithm.ts";
import { GROUPS } from "../../src/config/field.ts";
import { type FieldData, fieldData } from "../../src/config/fields.ts";
import { fromText, toText } from "../../src/ui/setup/entry.ts";
import { BASIC_KEYS, GROUP_LABELS, isListed, matches } from "../../src/ui/setup/labels.ts";

const fields = fieldData("sft");
function field(key: string): FieldData {
  const found = fields.find((item) => item.key === key);
  if (!found) throw new Error(`there is no ${key}`);
  return found;
}

describe("what is typed into a field", () => {
  it.each([
    ["learning_rate", "2e-4", 2e-4],
    ["batch_size", "16", 16],
    ["batch_size", "many", "many"],
    ["batch_size", "", undefined],
    ["max_steps", "", null],
    ["sample_prompts", "One?\n\nTwo?\n", ["One?", "Two?"]],
    ["target_modules", "all-linear", "all-linear"],
    ["target_modules", "q_proj\nv_proj", ["q_proj", "v_proj"]],
  ])("%s: %j means %j", (key, text, value) => expect(fromText(field(key), text)).toEqual(value));

  it("comes back as it was written", () => {
    for (const [key, value] of [
      ["learning_rate", 1e-5],
      ["learning_rate", 0.00012345],
      ["batch_size", 8],
      ["sample_prompts", ["a", "b"]],
      ["adam_beta2", 0.999],
      ["column_mapping", { question: "prompt", n: "1" }],
      [
        "processing_fn_kwargs",
        { text: "a: b", number: 1.5, digits: "1", on: true, list: [1, "a"], none: null },
      ],
    ] as const) {
      expect(fromText(field(key), toText(value, field(key).control))).toEqual(value);
    }
  });
});

describe("the form", () => {
  it("has the names of the sections as the settings declare them", () => {
    expect(GROUP_LABELS).toEqual(GROUPS);
  });

  it.each([
    ["sft", "examples"],
    ["dpo", "pairs"],
    ["ppo", "prompts"],
    ["grpo", "prompts"],
    ["gspo", "prompts"],
    ["dapo", "prompts"],
    ["dr_grpo", "prompts"],
  ] as const)("draws five to seven basic settings of %s", (algorithm, kind) => {
    const listed = fieldData(algorithm).filter(isListed);
    const basic = BASIC_KEYS[kind].filter((key) => listed.some((item) => item.key === key));
    expect(basic.length).toBeLessThanOrEqual(7);
    expect(basic.length).toBeGreaterThanOrEqual(5);
  });

  it("has no basic setting that no method has", () => {
    const known = new Set(ALGORITHMS.flatMap((algorithm) => fieldData(algorithm).map(({ key }) => key)));
    for (const key of Object.values(BASIC_KEYS).flat()) expect(known).toContain(key);
  });

  it("finds a setting by its key, its name or its help", () => {
    expect(fields.filter((item) => matches(item, "warm-up steps")).map(({ key }) => key)).toContain(
      "warmup_steps",
    );
    expect(fields.filter((item) => matches(item, "lora_alpha")).map(({ key }) => key)).toContain(
      "lora_alpha",
    );
  });
});
