import { describe, expect, it } from "vitest";
import type { DpoConfig, GroupConfig, SftConfig } from "../../src/config/fields.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolve, resolveOrThrow } from "../../src/config/resolve.ts";
import type { Asset } from "../../src/host/host.ts";
import { loadDataset } from "../../src/trainer/load_dataset.ts";
import { loadTextTools } from "../../src/trainer/prepare_data.ts";
import {
  preferenceEncoding,
  promptEncoding,
  type RowEncoding,
  sftEncoding,
  type TrainData,
  trainData,
} from "../../src/trainer/row_encodings.ts";
import { STREAM_BYTES, streams } from "../../src/trainer/stream_dataset.ts";
import { assetOf, goldenFolder } from "./support/files.ts";
import { takeSteps } from "./support/steps.ts";

const tools = await loadTextTools(goldenFolder("model"), { chat_template: null });
const upTo = (count: number) => Array.from({ length: count }, (_, row) => row);

function configOf(settings: Readonly<Record<string, unknown>>) {
  return resolveOrThrow({
    override: readSettings({
      ...{ model_name: "model", dataset_name: "d.jsonl", val_split_ratio: 0, test_split_ratio: 0 },
      ...{ streaming: true, max_seq_length: 32, batch_size: 4 },
      ...settings,
    }),
  }).config;
}

function hostOf(...assets: readonly Asset[]) {
  const logs: string[] = [];
  const host = {
    openDataset: async (name: string) => assets.find((asset) => asset.name === name) as Asset,
    readText: () => Promise.reject(new Error("these rows need no code")),
    userCode: { open: () => Promise.reject(new Error("these rows need no code")) },
    log: (_: string, line: string) => logs.push(line),
  };
  return { host, logs };
}

const linesOf = (name: string, rows: readonly unknown[]) =>
  assetOf(name, rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"));

/** The same rows in memory and streamed. */
async function both<T>(
  rows: readonly unknown[],
  settings: Readonly<Record<string, unknown>>,
  encodingOf: (config: never) => RowEncoding<T>,
): Promise<[TrainData<T>, TrainData<T>]> {
  const open = (streaming: boolean) => {
    const config = configOf({ ...settings, streaming });
    const { host } = hostOf(linesOf("d.jsonl", rows));
    return trainData({ host: host as never, config, tools, skipBadRows: true }, encodingOf(config as never));
  };
  return [await open(false), await open(true)];
}

/** All rows of an epoch, in the order of the file. */
async function epochOf<T extends { readonly rowIndex: number }>({ train }: TrainData<T>): Promise<T[]> {
  const steps = Math.ceil(train.known.length / 4);
  const taken = await takeSteps(train, { batchSize: 4, gradientAccumulationSteps: 1 }, steps);
  return taken.flatMap(({ batches }) => batches.flat()).toSorted((a, b) => a.rowIndex - b.rowIndex);
}

describe("rows that are streamed are the rows that memory would hold", () => {
  const pair = (i: number) => ({ prompt: `Say ${i}.`, chosen: `${i} it is.`, rejected: "No." });

  it("sft, with rows that are cut and rows that teach nothing", async () => {
    const rows = upTo(30).map((i) => ({
      prompt: `Say ${"very ".repeat(i % 7 === 3 ? 60 : 1)}`,
      completion: i % 5 === 0 ? "long ".repeat(60) : `${i}`,
    }));
    const [memory, stream] = await both(rows, {}, (config: SftConfig) => sftEncoding(tools, config));
    const flat = async ({ train }: typeof memory) => {
      const taken = await train.take({ epoch: 0, position: 0 }, 100);
      expect(taken.next).toEqual({ epoch: 1, position: 0 });
      return taken.rows.toSorted((a, b) => (a.rowIndices[0] ?? 0) - (b.rowIndices[0] ?? 0));
    };
    const rowsOf = await flat(memory);
    expect(rowsOf).toHaveLength(26);
    expect(await flat(stream)).toEqual(rowsOf);
    expect([memory.train.count, stream.train.count]).toEqual([26, 30]);
    expect(stream.train.bounds.map(({ ids }) => ids.length)).toEqual([32, 32, 32, 32]);
    expect(stream.notes[0]).toMatch(/^The dataset is streamed: 30 rows to train on/);
    expect(stream.notes[1]).toMatch(/planned for rows of 32 tokens.*its first 26 rows has 32\.$/);
  });

  it("dpo", async () => {
    const [memory, stream] = await both(upTo(21).map(pair), { algorithm: "dpo" }, (config: DpoConfig) =>
      preferenceEncoding(tools, config),
    );
    const rows = await epochOf(memory);
    expect(rows).toHaveLength(21);
    expect(await epochOf(stream)).toEqual(rows);
  });

  it("prompts, with their columns for rewards", async () => {
    const rows = upTo(9).map((i) => ({ prompt: `What is ${i}?`, answer: `${i}`, level: i }));
    const lengths = { max_prompt_length: 16, max_completion_length: 16 };
    const settings = { algorithm: "grpo", rewards: ["length"], num_generations: 2, ...lengths };
    const [memory, stream] = await both(rows, settings, (config: GroupConfig) =>
      promptEncoding(tools, config, 2),
    );
    const kept = await epochOf(memory);
    expect(kept.map(({ row }) => row["level"])).toEqual(upTo(9));
    expect(await epochOf(stream)).toEqual(kept);
    expect(stream.train.known).toEqual(memory.train.known);
  });
});

describe("a dataset that is streamed", () => {
  const open = async (
    settings: Readonly<Record<string, unknown>>,
    assets: readonly Asset[],
    skipBadRows = true,
  ) => {
    const { host, logs } = hostOf(...assets);
    const dataset = await loadDataset(host as never, configOf(settings), true, skipBadRows);
    return { dataset, logs };
  };
  const text = (count: number) => upTo(count).map((i) => ({ text: `row ${i}` }));

  it("takes a slice, a share and the first rows of the file", async () => {
    const rows = linesOf("d.jsonl", text(2000));
    const counted = async (settings: Readonly<Record<string, unknown>>) => {
      const { dataset } = await open(settings, [rows]);
      return [dataset.rowCount, dataset.counts.train, dataset.train[0]?.rowIndex];
    };
    expect(await counted({ split: "train[600:50%]" })).toEqual([2000, 400, 600]);
    expect(await counted({ split: "train[:1000]", percent: 10 })).toEqual([2000, 100, 0]);
    expect(await counted({ max_samples: 700 })).toEqual([700, 700, 0]);
  });

  it("holds out rows by their number, from all over the file, and evaluates some of them", async () => {
    const settings = { val_split_ratio: 0.2, test_split_ratio: 0.1, max_eval_samples: 60 };
    const { dataset } = await open(settings, [linesOf("d.jsonl", text(5000))]);
    const { train, validation, test } = dataset.counts;
    expect(train + validation + test).toBe(5000);
    expect(Math.abs(validation / 5000 - 0.2)).toBeLessThan(0.03);
    expect(Math.abs(test / 5000 - 0.1)).toBeLessThan(0.03);
    expect(dataset.validation).toHaveLength(60);
    const known = new Set(dataset.train.map(({ rowIndex }) => rowIndex));
    expect(dataset.validation.some(({ rowIndex }) => known.has(rowIndex))).toBe(false);
    const more = await open({ ...settings, max_eval_samples: null }, [linesOf("d.jsonl", text(5000))]);
    expect(more.dataset.validation).toHaveLength(500);
    expect(more.dataset.notes[1]).toBe(
      `500 of the ${validation} held-out rows are evaluated; max_eval_samples says how many.`,
    );
  });

  it("is evaluated on another dataset where one is named", async () => {
    const settings = { eval_dataset_name: "e.jsonl", val_split_ratio: 0.2, max_eval_samples: 3 };
    const { dataset } = await open(settings, [linesOf("d.jsonl", text(10)), linesOf("e.jsonl", text(6))]);
    expect(dataset.counts).toEqual({ train: 10, validation: 3, test: 0 });
    expect(dataset.validation.map(({ row }) => row)).toEqual(text(3));
  });

  it("runs the row function block by block, and ends it", async () => {
    const sizes: number[] = [];
    const processing_fn = (columns: { readonly text: readonly string[] }) => {
      sizes.push(columns.text.length);
      return { text: columns.text.map((one) => one.toUpperCase()) };
    };
    const rows = linesOf("d.jsonl", text(1100));
    const config = configOf({ processing_batched: true });
    const { host } = hostOf(rows);
    const input = { host: host as never, config: { ...config, processing_fn }, tools, skipBadRows: true };
    const { dataset, train } = await trainData(input, sftEncoding(tools, config as SftConfig));
    expect(dataset.train[0]?.row["text"]).toBe("ROW 0");
    expect(sizes).toEqual([512]);
    const { rows: taken } = await train.take({ epoch: 0, position: 0 }, 3);
    expect(taken).toHaveLength(3);
    expect(sizes.slice(1).toSorted((a, b) => a - b)).toEqual([76, 512, 512]);
    train.close();
  });

  it("is refused for a row of its first block, unless such rows are to be passed over", async () => {
    const rows = linesOf("d.jsonl", [{ text: "a" }, "nonsense", { other: 1 }]);
    await expect(open({}, [rows], false)).rejects.toThrow(/^d\.jsonl: Line 2 is no valid JSON/);
    const { dataset } = await open({}, [rows]);
    expect(dataset.train.map(({ rowIndex }) => rowIndex)).toEqual([0]);
    expect(dataset.set.problemTotal).toBe(2);
  });
});

describe("what is streamed", () => {
  const large = (name: string, head: string): Asset => ({
    ...{ name, size: STREAM_BYTES + 1 },
    read: async (start, end) => new TextEncoder().encode(head.padEnd(end, " ").slice(start, end)),
  });
  const auto = (settings: Readonly<Record<string, unknown>>, asset = large("d.jsonl", "{}")) =>
    streams(configOf({ streaming: null, ...settings }), asset);

  it("a large file, unless the configuration or the format needs all rows", async () => {
    expect(await auto({})).toEqual({ yes: true });
    expect(await auto({ max_samples: 1000 })).toEqual({ yes: false });
    expect(await auto({ max_samples: 1000 }, large("d.csv", "text"))).toEqual({ yes: true });
    expect(await auto({}, large("d.json", "["))).toEqual({ yes: false });
    expect(await auto({}, linesOf("d.jsonl", [{}]))).toEqual({ yes: false });
    expect(await auto({ packing: true })).toEqual({
      yes: false,
      note: "d.jsonl has 128 MB and is held in memory as a whole, because packing needs all rows. Without it, the rows would be streamed.",
    });
    expect(await auto({ streaming: false })).toEqual({ yes: false });
  });

  it.each([
    ["sft", { packing: true }, /packing fits rows together/],
    ["sft", { train_sampling_strategy: "group_by_length" }, /group_by_length sorts rows/],
    ["dpo", { precompute_ref_log_probs: true }, /precompute_ref_log_probs scores all rows/],
  ])("%s: %j is refused beside streaming: true", (algorithm, settings, message) => {
    const given = { model_name: "m", dataset_name: "d", algorithm, streaming: true, ...settings };
    const { issues } = resolve({ override: readSettings(given) });
    expect(issues.map((issue) => issue.message).join()).toMatch(message);
  });
});
