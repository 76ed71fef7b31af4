import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/parse_config.ts";
import { moveChildren, repairYaml } from "../../src/config/repair_yaml.ts";
import { resolve } from "../../src/config/resolve.ts";
import grpoYaml from "./fixtures/summary_grpo.txt?raw";

describe("AlignTune's GRPO example, which lost its indentation", () => {
  it("is refused as it is, with the line and the offer", () => {
    expect(parseConfig(grpoYaml).problems[0]).toMatchObject({ line: 20, repair: "indentation" });
  });
  it("is repaired on request, in one line", () => {
    const repair = repairYaml(grpoYaml);
    expect(repair.readable).toBe(true);
    expect(repair.changes).toEqual([{ line: 20, before: " weight: 1.0", after: "   weight: 1.0" }]);
    expect(repair.questions).toEqual([]);
  });
  it("then loads whole, and runs", () => {
    const review = parseConfig(grpoYaml, { repair: true });
    expect(review.problems).toEqual([]);
    expect(review.changed[0]).toMatchObject({ line: 20, why: /indentation/ });
    const { config, issues } = resolve({ file: review });
    expect(issues).toEqual([]);
    expect(config).toMatchObject({
      algorithm: "grpo",
      learning_rate: 2e-4,
      column_mapping: { question: "prompt", answer: "response" },
      rewards: [{ type: "accuracy", weight: 1, params: {} }],
    });
  });
});

describe("blocks with flattened indentation", () => {
  it.each<[string, string, unknown]>([
    [
      "two items",
      "rewards:\n - type: a\n weight: 1\n - type: b\n weight: 2\nseed: 3\n",
      {
        rewards: [
          { type: "a", weight: 1 },
          { type: "b", weight: 2 },
        ],
        seed: 3,
      },
    ],
    [
      "a section after the list",
      "datasets:\n - name: x\n split: train\ntrain:\n epochs: 1\n",
      { datasets: [{ name: "x", split: "train" }], train: { epochs: 1 } },
    ],
    [
      "blank lines and comments between",
      "rewards:\n - type: a\n\n # how much\n weight: 1\n",
      { rewards: [{ type: "a", weight: 1 }] },
    ],
    [
      "deeper lists",
      "a:\n  rewards:\n    - type: a\n    weight: 1\n  other: 2\n",
      { a: { rewards: [{ type: "a", weight: 1 }], other: 2 } },
    ],
    [
      "children that kept their indent",
      "rewards:\n - type: a\n weight: 1\n params:\n  min_length: 2\n",
      { rewards: [{ type: "a", weight: 1, params: { min_length: 2 } }] },
    ],
  ])("%s", async (_name, text, expected) => {
    const { parse } = await import("yaml");
    const repair = repairYaml(text);
    expect(repair.readable).toBe(true);
    expect(parse(repair.text)).toEqual(expected);
  });

  it("tabs become spaces", () => {
    const repair = repairYaml("train:\n\tseed: 1\n\tlogging:\n\t\trun_name: x\n");
    expect(repair.text).toBe("train:\n  seed: 1\n  logging:\n    run_name: x\n");
    expect(repair.changes).toHaveLength(3);
  });
  it("leaves a good file alone", () => {
    const text = "rewards:\n- type: a\n  weight: 1\nseed: 1\n";
    expect(repairYaml(text)).toEqual({ text, changes: [], readable: true, questions: [] });
  });
  it("says when it cannot help", () => {
    expect(repairYaml("a: [1, 2\nb: 3").readable).toBe(false);
  });
});

describe("children that slipped out of their parent", () => {
  const text = "logging:\n sample_logging:\n enabled: true\n prompts: [Hi]\n run_name: x\n";
  const questions = [{ parent: "sample_logging", line: 2, children: ["enabled", "prompts"] }];
  it("are asked about, not moved", () => {
    const repair = repairYaml(text);
    expect(repair.text).toBe(text);
    expect(repair.questions).toEqual(questions);
  });
  it("are moved on yes", () => {
    const moved = moveChildren(text, repairYaml(text).questions[0] ?? { parent: "", line: 0, children: [] });
    expect(moved.text).toBe("logging:\n sample_logging:\n   enabled: true\n   prompts: [Hi]\n run_name: x\n");
    expect(moved.questions).toEqual([]);
  });
  it("params of a reward after its repair", () => {
    const repair = repairYaml(
      "rewards:\n - type: length\n weight: 1\n params:\n min_length: 5\n max_length: 9\n",
    );
    expect(repair.questions).toEqual([{ parent: "params", line: 4, children: ["min_length", "max_length"] }]);
    const moved = moveChildren(repair.text, repair.questions[0] ?? { parent: "", line: 0, children: [] });
    expect(parseConfig(`algorithm: grpo\n${moved.text}`).values["rewards"]).toEqual([
      { type: "length", weight: 1, params: { min_length: 5, max_length: 9 } },
    ]);
  });
  it("a whole nested file that lost its indentation, repaired and answered", () => {
    const published = [
      "algo: grpo",
      "model:",
      " name_or_path: Qwen/Qwen3-0.6B",
      "datasets:",
      " - name: openai/gsm8k",
      " split: train",
      " column_mapping:",
      " question: prompt",
      " max_samples: 100",
      "rewards:",
      " - type: length",
      " weight: 0.2",
      " params:",
      " min_length: 10",
      " - type: accuracy",
      " weight: 1.0",
      "logging:",
      " output_dir: ./out",
      " sample_logging:",
      " enabled: true",
      " prompts:",
      ' - "What is 2+2?"',
      " interval_steps: 50",
      " run_name: x",
    ].join("\n");
    let repair = repairYaml(published);
    expect(repair.readable).toBe(true);
    expect(repair.questions.map(({ parent }) => parent)).toEqual([
      "column_mapping",
      "params",
      "sample_logging",
    ]);
    for (let question = repair.questions[0]; question; question = repair.questions[0]) {
      repair = moveChildren(repair.text, question);
    }
    const review = parseConfig(repair.text);
    expect(review.problems).toEqual([]);
    expect(review.values).toEqual({
      algorithm: "grpo",
      model_name: "Qwen/Qwen3-0.6B",
      dataset_name: "openai/gsm8k",
      split: "train",
      column_mapping: { question: "prompt" },
      max_samples: 100,
      rewards: [
        { type: "length", weight: 0.2, params: { min_length: 10 } },
        { type: "accuracy", weight: 1, params: {} },
      ],
      output_dir: "./out",
      sample_prompts: ["What is 2+2?"],
      sample_every: 50,
      run_name: "x",
    });
  });
  it("an empty parent without its children is no question", () => {
    expect(repairYaml("params:\nseed: 1\n").questions).toEqual([]);
  });
});
