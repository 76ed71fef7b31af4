import { describe, expect, it } from "vitest";
import type { DpoConfig, GroupConfig, PpoConfig, SftConfig } from "../../src/config/fields.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolveOrThrow } from "../../src/config/resolve.ts";
import type { Example } from "../../src/data/example.ts";
import type { DatasetPart } from "../../src/host/host.ts";
import { loadDataset, purposeOf } from "../../src/trainer/load_dataset.ts";
import { buildSftData, loadTextTools, preferenceData, promptData } from "../../src/trainer/prepare_data.ts";
import { assetOf, goldenFolder } from "./support/files.ts";

const folder = goldenFolder("model");
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

const unused = async () => {
  throw new Error("these rows need no code");
};

async function prepare(settings: Readonly<Record<string, unknown>>, rows: readonly unknown[]) {
  const { config } = resolveOrThrow({
    override: readSettings({
      ...{ model_name: "model", dataset_name: "d.jsonl", val_split_ratio: 0, test_split_ratio: 0 },
      ...settings,
    }),
  });
  const host = {
    openDataset: async () => assetOf("d.jsonl", rows.map((row) => JSON.stringify(row)).join("\n")),
    readText: unused,
    userCode: { open: unused },
    log: () => {},
  };
  const tools = await loadTextTools(folder, config);
  return { config, tools, dataset: await loadDataset(host, config, tools.template !== undefined, false) };
}

async function pairs(settings: Readonly<Record<string, unknown>>, rows: readonly unknown[]) {
  const { config, tools, dataset } = await prepare({ algorithm: "dpo", ...settings }, rows);
  return preferenceData(dataset, tools, config as DpoConfig);
}

async function prompts(settings: Readonly<Record<string, unknown>>, rows: readonly unknown[]) {
  const { config, tools, dataset } = await prepare({ algorithm: "grpo", ...settings }, rows);
  return promptData(dataset, tools, config as GroupConfig | PpoConfig);
}

it("each algorithm reads rows for its own purpose", () => {
  const purposes = (["sft", "dpo", "ppo", "grpo", "gspo", "dapo", "dr_grpo"] as const).map((algorithm) =>
    purposeOf({ algorithm }),
  );
  expect(purposes).toEqual(["sft", "preference", "prompt", "prompt", "prompt", "prompt", "prompt"]);
});

describe("preference data", () => {
  const pair = { prompt: [user("Sure?")], chosen: [assistant("Yes.")], rejected: [assistant("No.")] };

  it("holds out what the configuration says and is silent when nothing is to be said", async () => {
    const rows = ["a", "b", "c", "d"].map((answer) => ({ ...pair, chosen: [assistant(answer)] }));
    const data = await pairs({ val_split_ratio: 0.25 }, rows);
    expect([data.train.length, data.validation.length]).toEqual([3, 1]);
    expect(data.notes).toEqual([]);
  });

  it("says what was cut, left out, the same twice, or hard to split", async () => {
    const data = await pairs({ max_seq_length: 14 }, [
      { prompt: "Sure?", chosen: "Yes. ".repeat(20), rejected: "No." },
      { prompt: "Sure? ".repeat(20), chosen: "Yes.", rejected: "No." },
      { prompt: "Sure?", chosen: "Yes.", rejected: "Yes." },
      { prompt: "How ma", chosen: "ny are left?", rejected: "p?" },
    ]);
    expect(data.train.map(({ rowIndex }) => rowIndex)).toEqual([0, 2, 3]);
    expect(data.notes).toEqual([
      "1 of 4 training pairs are longer than 14 tokens and were cut.",
      expect.stringMatching(
        /^1 training pairs were left out; the first because its prompt alone has \d+ tokens/,
      ),
      "1 of 4 training pairs are twice the same answer: they teach nothing.",
      expect.stringMatching(/^In 1 of 4 training pairs the tokens of the prompt alone/),
    ]);
  });

  it("question and answer rows are refused for DPO, with what to do", async () => {
    await expect(pairs({}, [{ question: "q", answer: "a" }])).rejects.toThrow(
      /has the columns question, answer; sought were chosen and rejected.*processing_fn/,
    );
  });
});

describe("prompt data", () => {
  const row = { question: "1+1?", answer: "#### 2" };

  it.each(["grpo", "ppo", "dapo"])("%s: prompts with their right answers", async (algorithm) => {
    const data = await prompts({ algorithm }, [row, { ...row, answer: 3 }]);
    expect(data.train.map(({ reference }) => reference)).toEqual(["#### 2", "3"]);
    expect(data.train[0]?.text).toBe("<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n");
    expect(data).toMatchObject({ hasReference: true, withoutReference: 0, notes: [], validation: [] });
  });

  it("column_mapping and system_prompt as elsewhere", async () => {
    const data = await prompts(
      { column_mapping: { prompt: "task", solution: "result" }, system_prompt: "Be brief." },
      [{ task: "1+1?", result: 2, level: "easy" }],
    );
    expect(data.train[0]).toMatchObject({
      prompt: [{ role: "system", content: "Be brief." }, user("1+1?")],
      reference: "2",
      row: { task: "1+1?", result: 2, level: "easy" },
    });
  });

  it("says how many have no right answer, were cut, or are plain text", async () => {
    const settings = { max_seq_length: 20, max_completion_length: 15, num_generations: 2 };
    const data = await prompts(settings, [
      { prompt: "How many are left of all of these? 1+1=" },
      { prompt: "a" },
    ]);
    expect(data.train[0]?.ids).toHaveLength(5);
    expect(data).toMatchObject({ hasReference: false, withoutReference: 2 });
    expect(data.notes).toEqual([
      "1 of 2 training prompts are longer than 5 tokens and kept their last ones.",
      expect.stringMatching(/^2 of 2 training prompts are plain text and are not put into the chat template/),
    ]);
  });

  it("preserve_columns is not needed", async () => {
    const data = await prompts({ preserve_columns: ["level"] }, [{ ...row, level: 1 }]);
    expect(data.notes).toEqual(["preserve_columns is not needed: rewards see every column."]);
    expect(data.train[0]?.row).toEqual({ ...row, level: 1 });
  });
});

describe("splits", () => {
  const rows = (split: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({ question: `${split} ${i}`, answer: String(i) }));
  const sizes: Readonly<Record<string, number>> = { train: 20, validation: 6, test: 4 };

  /** A repository with three splits, or a file. */
  async function load(settings: Readonly<Record<string, unknown>>, isFile = false) {
    const { config } = resolveOrThrow({
      override: readSettings({ model_name: "m", dataset_name: "a/b", algorithm: "sft", ...settings }),
    });
    const host = {
      openDataset: async (_: string, part?: DatasetPart) => {
        const wanted =
          part === undefined ? "train" : typeof part.split === "string" ? part.split : "validation";
        const split = isFile ? "train" : (/^\w+/.exec(wanted)?.[0] ?? "");
        const text = rows(split, sizes[split] ?? 0).map((row) => JSON.stringify(row));
        const asset = assetOf(`${split}.jsonl`, text.join("\n"));
        return isFile ? asset : { ...asset, part: { subset: "default", split, splits: Object.keys(sizes) } };
      },
      readText: unused,
      userCode: { open: unused },
      log: () => {},
    };
    const dataset = await loadDataset(host, config, true, false);
    const asked = (examples: readonly Example[]) => examples.map(({ row }) => row["question"]);
    return { train: asked(dataset.train), validation: asked(dataset.validation), test: asked(dataset.test) };
  }

  it("of the dataset are kept: validation is held out, test stays out of training", async () => {
    const { train, validation, test } = await load({});
    expect([train.length, validation.length, test.length]).toEqual([20, 6, 0]);
    expect(validation[0]).toBe("validation 0");
  });

  it("may be slices and sums; a split that is trained on is not held out", async () => {
    const { train, validation } = await load({ split: "train[:2]+validation[-1:]" });
    expect([...train, ...validation].toSorted()).toEqual(["train 0", "train 1", "validation 5"]);
    expect((await load({ split: "train[10%:20%]" })).train).toEqual(["train 2", "train 3"]);
    const share = await load({ split: "train+test", percent: 50, max_samples: 5, test_split_ratio: 0 });
    expect(share.train).toEqual(["train 0", "train 1", "train 2", "train 3", "train 4"]);
  });

  it("max_samples and max_eval_samples take the first rows", async () => {
    const { train, validation } = await load({ max_samples: 5, max_eval_samples: 2 });
    expect(train).toHaveLength(5);
    expect(validation).toEqual(["validation 0", "validation 1"]);
  });

  it("of a file are one split, whose rows count once", async () => {
    const none = { val_split_ratio: 0, test_split_ratio: 0 };
    expect((await load({ split: "train+test", ...none }, true)).train).toHaveLength(20);
    expect((await load({ split: "train[:2]+train[-1:]", ...none }, true)).train).toEqual([
      ...["train 0", "train 1", "train 19"],
    ]);
  });
});

it("processing_fn comes first, then mapping, format, system prompt and template", async () => {
  const { dataset, tools, config } = await prepare(
    {
      processing_fn: (row: { q: string }) => ({ asked: `${row.q}?`, said: "Two." }),
      column_mapping: { asked: "instruction", said: "response" },
      system_prompt: "Be brief.",
      assistant_only_loss: false,
    },
    [{ q: "1+1" }, { q: "2+0" }],
  );
  const { train } = buildSftData(dataset, tools, config as SftConfig);
  const text = tools.tokenizer.decode([...(train[0]?.ids ?? [])], { skipSpecialTokens: false });
  expect(text).toContain("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>");
  expect(text).toContain("Two.");
});
