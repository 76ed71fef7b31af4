import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../src/config/algorithm.ts";
import { memoryAsset } from "../../src/host/memory.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { loadDataset } from "../../src/trainer/load_dataset.ts";
import { buildCatalog } from "../../src/worker/catalog.ts";
import { previewData, renderDataRow } from "../../src/worker/data_requests.ts";
import { headlineOf } from "../../src/worker/methods.ts";
import { requireConfig } from "../../src/worker/settings.ts";

const host = createNodeHost({
  publicDir: fileURLToPath(new URL("../../public", import.meta.url)),
  runDir: () => "unused",
});

async function configOf(given: Readonly<Record<string, unknown>>) {
  return (await requireConfig({ given: { model_name: "aligntune-tiny", ...given }, recipe: null })).config;
}

describe("the catalogue", () => {
  it("offers seven methods, and sample data for each of them", async () => {
    const { algorithms, datasets } = await buildCatalog(host);
    expect(algorithms.map(({ id }) => id)).toEqual(ALGORITHMS);
    for (const { data } of algorithms) expect(datasets.map((dataset) => dataset.data)).toContain(data);
  });

  it("draws only metrics that have a name of their own", async () => {
    const { algorithms } = await buildCatalog(host);
    for (const { id, hero } of algorithms) {
      expect(hero.length).toBeGreaterThanOrEqual(1);
      expect(headlineOf(id)).toBe(hero[0]?.metrics[0]?.metric);
    }
    expect(headlineOf("forgotten")).toBe("loss");
  });

  it.each(["ahoy", "style-pairs", "arithmetic"])(
    "knows how many rows %s has, and reads all of them",
    async (id) => {
      const { algorithms, datasets } = await buildCatalog(host);
      expect(datasets).toHaveLength(3);
      const sample = datasets.find((dataset) => dataset.id === id);
      const algorithm = algorithms.find(({ data }) => data === sample?.data)?.id;
      const preview = await previewData(host, await configOf({ algorithm, dataset_name: id }));
      expect(preview.rowCount).toBe(sample?.rows);
      expect(preview.problemTotal).toBe(0);
      expect(preview.lengths.cut).toBe(0);
    },
  );
});

describe("a row as the model sees it", () => {
  const textOf = (pieces: readonly { readonly text: string }[]): string =>
    pieces.map(({ text }) => text).join("");

  it("is both answers of a pair, of which the answer alone is compared", async () => {
    const config = await configOf({ algorithm: "dpo", dataset_name: "style-pairs" });
    const { texts, reference } = await renderDataRow(host, config, 0);
    expect(texts.map(({ title }) => title)).toEqual(["Chosen", "Rejected"]);
    expect(reference).toBeNull();
    const [chosen, rejected] = texts.map(({ pieces }) => textOf(pieces.filter(({ learned }) => learned)));
    expect(chosen).toContain("Great question! Ida is a dog. Glad to help.");
    expect(rejected).toContain("Ida is a dog.");
    expect(rejected).not.toContain("Great question");
    expect(chosen).not.toContain("Which animal");
  });

  const rowsOf = (...lines: readonly object[]) => {
    const text = lines.map((line) => JSON.stringify(line)).join("\n");
    const rows = memoryAsset("rows.jsonl", new TextEncoder().encode(text));
    return { ...host, openDataset: async () => rows };
  };
  const turn = (role: string, content: string) => ({ role, content });

  it("is what training compares of a pair whose prompt is the beginning of both", async () => {
    const asked = turn("user", "Where does Ida live?");
    const pairs = rowsOf({
      chosen: [asked, turn("assistant", "In a den.")],
      rejected: [asked, turn("assistant", "No idea.")],
    });
    const config = await configOf({ algorithm: "dpo", dataset_name: "rows.jsonl", val_split_ratio: 0 });
    const { texts } = await renderDataRow(pairs, config, 0);
    const learned = texts.map(({ pieces }) => textOf(pieces.filter((piece) => piece.learned)));
    expect(learned[0]).toMatch(/^In a den\./);
    expect(learned[1]).toMatch(/^No idea\./);
    expect(texts.every(({ pieces }) => textOf(pieces).includes("Where does Ida live?"))).toBe(true);
  });

  it("is rendered with the variables of the chat template that training has", async () => {
    const model = await host.openModel("aligntune-tiny");
    const source = "{% for m in messages %}{{ m.content }}{% endfor %}{{ '!' if enable_thinking is false }}";
    const open = async (file: string) =>
      file === "chat_template.jinja"
        ? memoryAsset(file, new TextEncoder().encode(source))
        : await model.open(file);
    const asked = {
      ...rowsOf({ prompt: [turn("user", "Hi")], answer: "1" }),
      openModel: async () => ({ ...model, open }),
    };
    for (const [enable_thinking, text] of [
      [null, "Hi"],
      [false, "Hi!"],
    ] as const) {
      const common = { dataset_name: "rows.jsonl", val_split_ratio: 0, enable_thinking };
      const { texts } = await renderDataRow(asked, await configOf({ algorithm: "grpo", ...common }), 0);
      expect(textOf(texts[0]?.pieces ?? [])).toBe(text);
    }
  });

  it("is a prompt to go on from, with the reference for rewards", async () => {
    const config = await configOf({ algorithm: "grpo", dataset_name: "arithmetic" });
    const { texts, reference, limit } = await renderDataRow(host, config, 0);
    expect(texts).toHaveLength(1);
    expect(texts[0]?.pieces.some(({ learned }) => learned)).toBe(false);
    expect(textOf(texts[0]?.pieces ?? [])).toContain("What is 99+77?");
    expect(reference).toBe("176");
    expect(limit).toBe(256);
  });

  it("is found by its place in the dataset too, where other rows cannot be used", async () => {
    const lines = ['{"prompt":"a","answer":"1"}', '{"answer":"0"}', '{"prompt":"b","answer":"2"}'];
    const rows = memoryAsset("rows.jsonl", new TextEncoder().encode(lines.join("\n")));
    const mixed = { ...host, openDataset: async () => rows };
    const config = await configOf({ algorithm: "grpo", dataset_name: "rows.jsonl", val_split_ratio: 0 });
    const second = await renderDataRow(mixed, config, 1);
    expect(second).toMatchObject({ row: 1, rowCount: 2, reference: "2" });
    const rowIndex = (await loadDataset(mixed, config, true, true)).train[1]?.rowIndex ?? 0;
    expect(rowIndex).toBe(2);
    expect(await renderDataRow(mixed, config, rowIndex, true)).toMatchObject({ row: 1, reference: "2" });
    await expect(renderDataRow(mixed, config, 7, true)).rejects.toMatchObject({ code: "dataset-invalid" });
  });

  it("is one of the first of a dataset that is streamed, of which the others are only counted", async () => {
    const lines = Array.from({ length: 1500 }, (_, i) => (i === 3 ? "nonsense" : `{"text":"row ${i}"}`));
    const rows = memoryAsset("rows.jsonl", new TextEncoder().encode(lines.join("\n")));
    let read = 0;
    const counting = {
      ...rows,
      read: (start: number, end: number) => {
        read += end - start;
        return rows.read(start, end);
      },
    };
    const streamed = { ...host, openDataset: async () => counting };
    const config = await configOf({ dataset_name: "rows.jsonl", streaming: true, val_split_ratio: 0 });
    const preview = await previewData(streamed, config);
    expect(preview).toMatchObject({ rowCount: 1500, lookedAt: 512, problemTotal: 1 });
    expect(preview.splits.train + preview.splits.test).toBe(1500);
    const { rowCount, ofFirst } = await renderDataRow(streamed, config, 5);
    expect(ofFirst).toBe(true);
    expect(rowCount).toBeLessThan(512);
    await expect(renderDataRow(streamed, config, 900)).rejects.toThrow(
      /streamed and shown by its first rows/,
    );
    // Once from end to end, then for each request no more than the first block.
    expect(read).toBeLessThan(2.5 * rows.size);
  });

  it("says which columns are missing for another method", async () => {
    const config = await configOf({ algorithm: "dpo", dataset_name: "arithmetic" });
    await expect(previewData(host, config)).rejects.toMatchObject({
      code: "dataset-invalid",
      details: { columns: ["prompt", "answer"] },
    });
  });
});
