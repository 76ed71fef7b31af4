import { describe, expect, it } from "vitest";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolveOrThrow } from "../../src/config/resolve.ts";
import type { Example } from "../../src/data/example.ts";
import { loadDataset } from "../../src/trainer/load_dataset.ts";
import { assetOf } from "./support/files.ts";

const unused = async () => {
  throw new Error("these rows need no code");
};

const FILES: Readonly<Record<string, readonly unknown[]>> = {
  "a.jsonl": Array.from({ length: 10 }, (_, i) => ({ question: `a${i}`, answer: "x" })),
  "b.jsonl": Array.from({ length: 4 }, (_, i) => ({ q: `b${i}`, said: "x" })),
  "c.jsonl": Array.from({ length: 6 }, (_, i) => ({
    messages: [user(`c${i}`), { role: "assistant", content: "x" }],
  })),
};

function user(content: string) {
  return { role: "user", content };
}

async function load(settings: Readonly<Record<string, unknown>>, skipBadRows = false) {
  const given = {
    ...{
      algorithm: "sft",
      model_name: "m",
      dataset_name: "a.jsonl",
      val_split_ratio: 0,
      test_split_ratio: 0,
    },
    ...settings,
  };
  const { config } = resolveOrThrow({ override: readSettings(given) });
  const host = {
    openDataset: async (name: string) =>
      assetOf(
        name,
        (FILES[name] ?? []).map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"),
      ),
    readText: unused,
    userCode: { open: unused },
    log: () => {},
  };
  return loadDataset(host, config, true, skipBadRows);
}

const b = { name: "b.jsonl", column_mapping: { q: "instruction", said: "response" } };

/** What is asked first, whatever form a row has. */
const asked = (examples: readonly Example[]) =>
  examples.map((example) => {
    const turns =
      example.kind === "messages"
        ? example.messages
        : example.kind === "prompt_completion"
          ? example.prompt
          : [];
    return typeof turns === "string" ? turns : (turns[0]?.content ?? "");
  });
const count = (examples: readonly Example[], letter: string) =>
  asked(examples).filter((text) => text[0] === letter).length;

describe("several datasets", () => {
  it("are put together, each with its own columns, and shuffled by the seed", async () => {
    const data = await load({ more_datasets: [b, "c.jsonl"] });
    const names = asked(data.train);
    expect([count(data.train, "a"), count(data.train, "b"), count(data.train, "c")]).toEqual([10, 4, 6]);
    expect(names).not.toEqual(names.toSorted());
    expect(asked((await load({ more_datasets: [b, "c.jsonl"] })).train)).toEqual(names);
    expect(asked((await load({ more_datasets: [b, "c.jsonl"], seed: 7 })).train)).not.toEqual(names);
    expect(data.sources).toEqual([
      { name: "a.jsonl", weight: 1, rows: 10, taken: 10 },
      { name: "b.jsonl", weight: 1, rows: 4, taken: 4 },
      { name: "c.jsonl", weight: 1, rows: 6, taken: 6 },
    ]);
    expect(data.set.format).toEqual({ id: "mixed", label: "question and answer; instruction; messages" });
    expect(data.file.rows).toHaveLength(20);
    // A row is found again among the rows of all files.
    for (const { row, rowIndex } of data.train) expect(data.file.rows[rowIndex]).toEqual(row);
  });

  it("count as their weights say: half of the rows, or each twice and one more", async () => {
    const data = await load({ dataset_weight: 0.5, more_datasets: [{ ...b, weight: 2.25 }] });
    expect(count(data.train, "a")).toBe(5);
    expect(new Set(asked(data.train).filter((text) => text[0] === "a")).size).toBe(5);
    const times = ["b0", "b1", "b2", "b3"].map(
      (name) => asked(data.train).filter((text) => text === name).length,
    );
    expect(times.toSorted()).toEqual([2, 2, 2, 3]);
    expect(data.sources?.map(({ taken }) => taken)).toEqual([5, 9]);
  });

  it("have slices, shares and limits of their own", async () => {
    const data = await load({
      max_samples: 3,
      more_datasets: [
        { ...b, split: "train[1:3]" },
        { name: "c.jsonl", percent: 50 },
      ],
    });
    expect(asked(data.train).toSorted()).toEqual(["a0", "a1", "a2", "b1", "b2", "c0", "c1", "c2"]);
  });

  it("hold out rows of each; evaluated are some of all", async () => {
    const data = await load({ val_split_ratio: 0.5, more_datasets: [b] });
    expect([count(data.validation, "a"), count(data.validation, "b")]).toEqual([5, 2]);
    expect(new Set([...asked(data.train), ...asked(data.validation)]).size).toBe(14);
    const few = await load({ val_split_ratio: 0.5, more_datasets: [b], max_eval_samples: 4 });
    expect(few.validation).toHaveLength(4);
    const elsewhere = await load({ eval_dataset_name: "c.jsonl", val_split_ratio: 0.5, more_datasets: [b] });
    expect([
      count(elsewhere.train, "a"),
      count(elsewhere.train, "b"),
      count(elsewhere.validation, "c"),
    ]).toEqual([10, 4, 6]);
  });

  it("name the dataset of a note", async () => {
    const data = await load({
      more_datasets: [{ name: "b.jsonl", column_mapping: { q: "prompt", said: "label" } }],
    });
    expect(data.set.notes).toEqual([expect.stringMatching(/^b\.jsonl: said is taken for the response/)]);
  });
});
