import { describe, expect, it } from "vitest";
import { ALGORITHMS, type Algorithm } from "../../src/config/algorithm.ts";
import { exportYaml, unwritable, yamlNumber, yamlText } from "../../src/config/export_yaml.ts";
import type { AnyField } from "../../src/config/field.ts";
import { fieldsOf } from "../../src/config/fields.ts";
import { parseConfig } from "../../src/config/parse_config.ts";
import { resolve } from "../../src/config/resolve.ts";
import exported from "./fixtures/export.txt?raw";
import inPyYaml from "./fixtures/export_in_pyyaml.json";
import { rng } from "./random_values.ts";
import { TRICKY } from "./tricky_values.ts";

describe("numbers as PyYAML reads them", () => {
  it.each([
    [1e-7, true, "1.0e-07"],
    [1e-5, true, "0.00001"],
    [5e-5, true, "0.00005"],
    [2.5e-8, true, "2.5e-08"],
    [3e-4, true, "0.0003"],
    [1, true, "1.0"],
    [-2, true, "-2.0"],
    [0, true, "0.0"],
    [1e21, true, "1.0e+21"],
    [8, false, "8"],
    [1e-100, true, "1.0e-100"],
  ])("%s (float: %s)", (value, isFloat, text) => {
    expect(yamlNumber(value, isFloat)).toBe(text);
  });
});

describe("texts", () => {
  it.each(["Qwen/Qwen3-0.6B", "./output", "all-linear", "my run", "train"])("%s stays bare", (text) => {
    expect(yamlText(text)).toBe(text);
  });
  it.each([
    "",
    "no",
    "Yes",
    "on",
    "null",
    "~",
    "5e-5",
    "1_000",
    "0x1f",
    "12:30",
    "2024-01-01",
    ".5",
    ".inf",
    "a: b",
    "a #b",
    "- a",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a`",
    "{a}",
    "a\nb",
    "tail ",
    "é\u0085\u2028\ufeff",
    "\\d+",
    "train[:100]",
    "=",
    "...",
  ])("%j is quoted", (text) => {
    expect(yamlText(text)).toMatch(/^".*"$/);
  });
});

const WORDS = [
  "no",
  "5e-5",
  "on",
  "a b",
  "x: y",
  "# z",
  "line\nbreak",
  "é ü",
  "1:30",
  "'q'",
  '"dq"',
  "owner/name",
  " pad ",
];

/** A random value that a setting accepts. */
function randomValue(field: AnyField, random: () => number): unknown {
  const { control } = field;
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)];
  const word = () => pick(WORDS) ?? "";
  switch (control.kind) {
    case "integer":
      return Math.min(control.max, control.min + Math.floor(random() * 1000));
    case "number": {
      const top = Math.min(control.max, control.min + 10 ** (random() * 12 - 10));
      return control.min + (top - control.min) * Math.max(random(), 1e-3);
    }
    case "flag":
      return random() < 0.5;
    case "choice":
      return pick(control.options);
    case "choices":
      return control.options.filter((_, i) => i === 0 || random() < 0.3);
    case "text":
      return word();
    case "list":
      return [word(), word()];
    case "numbers":
      return [random(), 1];
    case "mapping":
      return { [word()]: "prompt", text: word(), ...(control.anyValue && { n: 0.5, on: true }) };
    case "rewards":
      return [
        { type: "accuracy", weight: Math.round(random() * 4) / 2, params: {} },
        {
          type: "custom",
          weight: random(),
          params: { a: word(), n: 3 },
          name: "mine",
          code: "(row) =>\n  1\n",
          language: "javascript",
        },
      ];
    case "datasets":
      return [
        { name: word(), split: "train[:10%]", weight: 0.5, percent: 1e-7, column_mapping: { q: word() } },
        { name: word(), config_name: null, max_samples: 3 },
      ];
    case "code":
      return "(row) => {\n  return { prompt: row.q };\n}";
  }
}

function randomConfig(
  algorithm: Algorithm,
  seed: number,
): Record<string, unknown> & { algorithm: Algorithm } {
  const random = rng(seed);
  const rows = Object.entries(fieldsOf(algorithm)).filter(([key]) => key !== "reward_weights");
  const values = rows.map(([key, field]) => [
    key,
    field.nullable && random() < 0.5 ? undefined : randomValue(field, random),
  ]);
  return { ...Object.fromEntries(values.filter(([, value]) => value !== undefined)), algorithm };
}

describe.each(ALGORITHMS)("random configurations of %s come back the same", (algorithm) => {
  it.each(["flat", "nested"] as const)("%s", (shape) => {
    for (let seed = 0; seed < 5; seed++) {
      const config = randomConfig(algorithm, seed);
      const review = parseConfig(exportYaml(config, { shape }));
      expect(review.problems).toEqual([]);
      expect(review.notUsed).toEqual([]);
      expect(review.values).toEqual(config);
    }
  });
});

describe("what is written", () => {
  const file = { values: { model_name: "a/b", dataset_name: "no", algorithm: "grpo", learning_rate: 1e-7 } };
  const { config } = resolve({ file });
  it("a complete run resolves to itself", () => {
    const again = resolve({ file: parseConfig(exportYaml({ ...(config ?? { algorithm: "sft" }) })) });
    expect(again.issues).toEqual([]);
    expect(again.config).toEqual(config);
  });
  it("only what differs from the defaults, on request", () => {
    const { algorithm } = config ?? { algorithm: "sft" as const };
    const text = exportYaml(
      { ...file.values, batch_size: 8, algorithm },
      { onlyChanged: true, title: "A run" },
    );
    expect(text).toBe(
      '# A run\nalgorithm: grpo\nmodel_name: a/b\ndataset_name: "no"\nlearning_rate: 1.0e-07\n',
    );
  });
  it("nested, as AlignTune's command line has it", () => {
    const values = {
      algorithm: "dpo",
      model_name: "a/b",
      dataset_name: "c/d",
      batch_size: 2,
      beta: 1,
      output_dir: "o",
    } as const;
    expect(exportYaml(values, { shape: "nested" })).toBe(
      "algo: dpo\nmodel:\n  name_or_path: a/b\ndatasets:\n  - name: c/d\ntrain:\n  per_device_batch_size: 2\n  beta: 1.0\nlogging:\n  output_dir: o\n",
    );
  });
  it("functions of a program are left out, and named", () => {
    const values = {
      algorithm: "grpo" as const,
      processing_fn: () => 1,
      rewards: [{ type: "custom", weight: 1, params: {}, code: () => 1 }],
    };
    expect(exportYaml(values)).toBe("algorithm: grpo\nrewards:\n  - type: custom\n    weight: 1.0\n");
    expect(unwritable(values)).toEqual(["processing_fn", "rewards.0.code"]);
  });
});

describe("PyYAML 6.0.3 reads the same types and values", () => {
  const text = exportYaml(TRICKY);
  it("the text is the one that was read there", () => {
    expect(text).toBe(exported);
  });
  /** As the fixture has it: the name of Python's type and the value as JSON. */
  const typed = (value: unknown, isFloat: boolean): unknown => {
    if (Array.isArray(value)) return value.map((item) => typed(item, isFloat));
    if (typeof value === "object" && value !== null) {
      const entries = Object.entries(value).filter(
        ([key, item]) => key !== "params" || Object.keys(item as object).length > 0,
      );
      return Object.fromEntries(entries.map(([key, item]) => [key, typed(item, key === "weight")]));
    }
    if (typeof value === "string") return { str: value };
    if (typeof value === "boolean") return { bool: value };
    return isFloat || !Number.isInteger(value) ? { float: value } : { int: value };
  };
  const untag = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(untag);
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, untag(item)]));
    }
    const [type = "", ...rest] = String(value).split(" ");
    return { [type]: JSON.parse(rest.join(" ")) as unknown };
  };
  it.each(Object.entries(TRICKY))("%s", (key, value) => {
    const kind = fieldsOf("grpo")[key]?.control.kind;
    expect(untag((inPyYaml as Readonly<Record<string, unknown>>)[key])).toEqual(
      typed(value, kind === "number"),
    );
  });
});
