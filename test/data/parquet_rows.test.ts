import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { columnsInUse } from "../../src/data/dataset_formats.ts";
import { openBlocks } from "../../src/data/row_blocks.ts";
import { type FirstRows, readRows } from "../../src/data/rows.ts";
import { parseSplit, type RowSelection, selectRows } from "../../src/data/split_slice.ts";
import { assetOf } from "./support/files.ts";

const bytesOf = (path: string) => readFileSync(new URL(`../hub/files/${path}`, import.meta.url));
const open = (path: string) => assetOf(path.split("/").at(-1) ?? "", bytesOf(path));
const TRAIN = "gsm8k/main/train-00000-of-00001.parquet";

describe("a Parquet file", () => {
  it("gives its rows, whatever its name", async () => {
    const file = await readRows(assetOf("rows", bytesOf(TRAIN)));
    expect(file).toMatchObject({ format: "parquet", columns: ["question", "answer"], problemTotal: 0 });
    expect(file.rows).toHaveLength(12);
    expect(file.lines.slice(0, 3)).toEqual([1, 2, 3]);
    expect(file.rows[0]).toEqual({
      question: "Tom has 2 shells and finds 1 more. How many shells does Tom have?",
      answer: "Tom has 2 + 1 = <<2+1=3>>3 shells.\n#### 3",
    });
  });

  it("gives lists, and what JSON has in place of other types", async () => {
    const { rows } = await readRows(open("kinds/kinds.parquet"));
    expect(rows).toEqual([
      {
        ...{ small: 1, large: String(2n ** 60n), share: 0.5, flag: true, day: "1970-01-01T00:00:01.000Z" },
        turns: [{ role: "user", content: "Hi" }],
      },
      { small: null, large: null, share: null, flag: null, day: null, turns: null },
    ]);
    const [first] = (await readRows(open("mbpp/full/train-00000-of-00001.parquet"))).rows;
    expect(first).toMatchObject({
      task_id: 601,
      test_list: ["assert add_601(1) == 602", expect.any(String)],
    });
  });

  it("may be compressed with gzip, lie in several row groups, and be read in part", async () => {
    const whole = await readRows(open("kinds/gzip.parquet"));
    expect(whole.rows).toEqual((await readRows(open(TRAIN))).rows.slice(0, 6));
    expect(whole.lines).toEqual([1, 2, 3, 4, 5, 6]);
    const part = await readRows(open("kinds/gzip.parquet"), { limit: 5 });
    expect(part.rows).toEqual(whole.rows.slice(0, 5));
  });

  it.each(["zstd", "brotli", "lz4"])("may be compressed with %s", async (codec) => {
    const file = await readRows(open(`kinds/${codec}.parquet`));
    expect(file.rows).toEqual((await readRows(open(TRAIN))).rows.slice(0, 2));
  });

  it("gives decimals, dates, bytes, words of a dictionary and structs", async () => {
    expect((await readRows(open("kinds/values.parquet"))).rows).toEqual([
      {
        ...{ price: 12.5, day: "2024-02-29T00:00:00.000Z", at: "2024-02-29T12:30:00.000Z", level: "easy" },
        ...{ bytes: [1, 255], answers: { text: ["1901"], answer_start: [19] } },
      },
    ]);
  });

  it("is read block by block, each of one row group, and no further than asked", async () => {
    const { rows } = await readRows(open("kinds/gzip.parquet"));
    const blocks = await openBlocks(open("kinds/gzip.parquet"));
    expect(blocks.rows).toBe(6);
    expect(blocks.firsts.length).toBeGreaterThan(2);
    const read = await Promise.all(blocks.firsts.slice(0, -1).map((_, block) => blocks.read(block)));
    expect(read.flatMap((block) => block.rows)).toEqual(rows);
    expect(read.flatMap((block) => block.lines)).toEqual([1, 2, 3, 4, 5, 6]);
    const part = await openBlocks(open("kinds/gzip.parquet"), { limit: 5 });
    expect([part.rows, (await part.read(part.firsts.length - 2)).rows.at(-1)]).toEqual([5, rows[4]]);
  });

  it("is refused in words when it is cut or damaged", async () => {
    const bytes = bytesOf(TRAIN);
    for (const broken of [bytes.subarray(0, 900), Buffer.from("PAR1xxxx")]) {
      await expect(readRows(assetOf("d.parquet", broken))).rejects.toMatchObject({
        code: "dataset-invalid",
        message: expect.stringMatching(/^d\.parquet cannot be read as Parquet: .*damaged or was cut/),
      });
    }
  });

  it("passes on what the host says when it cannot be fetched", async () => {
    const asset = open(TRAIN);
    const failing = {
      ...asset,
      read: (start: number, end: number) =>
        end > 4 ? Promise.reject(new Error("no network")) : asset.read(start, end),
    };
    await expect(readRows(failing)).rejects.toThrow(/^no network$/);
  });
});

describe("a part of a Parquet file", () => {
  const rowsOf = (split: string, options: { percent?: number; limit?: number } = {}) => {
    const [term] = parseSplit(split);
    if (term === undefined) throw new Error("there is a term");
    return selectRows(term, { percent: options.percent ?? null, limit: options.limit ?? null });
  };
  /** Rows of the file, and how many bytes of its row groups were read. */
  async function part(selection: RowSelection) {
    const asset = open("kinds/groups.parquet");
    let bytes = 0;
    const counting = {
      ...asset,
      read: (start: number, end: number) => {
        // The end of the file, which says where everything is, comes as one read.
        if (end < asset.size) bytes += end - start;
        return asset.read(start, end);
      },
    };
    const { rows, lines } = await readRows(counting, { selection });
    return { rows: rows.length, first: lines[0], bytes };
  }

  it("is read without the row groups that hold none of it", async () => {
    const whole = await part(rowsOf("train"));
    expect(whole).toMatchObject({ rows: 12, first: 1 });
    for (const [split, rows, first, share] of [
      ["train[:2]", 2, 1, 0.2],
      ["train[5:7]", 2, 6, 0.4],
      ["train[-3:]", 3, 10, 0.4],
      ["train[50%:]", 6, 7, 0.55],
    ] as const) {
      const some = await part(rowsOf(split));
      expect(some, split).toMatchObject({ rows, first });
      expect(some.bytes, split).toBeLessThan(whole.bytes * share);
    }
    expect(await part(rowsOf("train", { percent: 25 }))).toMatchObject({ rows: 3, first: 1 });
    expect(await part(rowsOf("train[4:]", { limit: 1 }))).toMatchObject({ rows: 1, first: 5 });
  });

  it("may lie in several files, of which only those with rows are opened", async () => {
    const never = { ...open(TRAIN), name: "b", read: () => Promise.reject(new Error("not needed")) };
    const { rows } = await readRows({ ...open(TRAIN), more: [never] }, { selection: rowsOf("train[2:12]") });
    expect(rows).toHaveLength(10);
    const more = [open("gsm8k/main/test-00000-of-00001.parquet")];
    const last = await readRows({ ...open(TRAIN), more }, { selection: rowsOf("train[-6:]") });
    expect(last.lines).toEqual([11, 12, 13, 14, 15, 16]);
  });
});

it("the groups behind the first hundred rows are read for the columns in use alone", async () => {
  const asked: number[] = [];
  const columnsInUse = ({ rows, columns }: FirstRows) => {
    asked.push(rows.length);
    expect(columns).toEqual(["question", "answer", "noise"]);
    return ["question", "answer", "of another file"];
  };
  const { rows, columns } = await readRows(open("kinds/wide.parquet"), { columnsInUse });
  expect([rows.length, columns.length, asked]).toEqual([250, 3, [100]]);
  expect(rows.findIndex((row) => !("noise" in row))).toBe(100);
  expect(rows[249]).toEqual({ question: expect.any(String), answer: expect.any(String) });
  const every = await readRows(open("kinds/wide.parquet"), { columnsInUse: () => undefined });
  expect(every.rows.every((row) => "noise" in row)).toBe(true);
});

describe("which columns are in use", () => {
  const first = { name: "d", format: "parquet", columns: ["question", "answer", "noise"] } as const;
  const rows = [{ question: "q", answer: "a", noise: "n" }];
  const options = { purpose: "sft", hasTemplate: true } as const;
  it.each([
    [options, ["question", "answer"]],
    [{ ...options, columnMapping: { noise: "completion", question: "prompt" } }, ["question", "noise"]],
    [{ ...options, purpose: "prompt" }, undefined],
    [{ ...options, purpose: "preference" }, undefined],
  ] as const)("%j", (given, columns) => {
    expect(columnsInUse({ ...first, rows }, given)).toEqual(columns);
  });
});

describe("a split of several files", () => {
  it("is read as one, with rows counted through", async () => {
    const more = [open("gsm8k/main/test-00000-of-00001.parquet")];
    const file = await readRows({ ...open(TRAIN), more });
    expect(file.rows).toHaveLength(16);
    expect(file.lines.slice(11, 14)).toEqual([12, 13, 14]);
    expect(file.name).toBe("train-00000-of-00001.parquet and 1 more");
    expect((await readRows({ ...open(TRAIN), more }, { limit: 13 })).rows).toHaveLength(13);
  });

  it("names the file of a problem", async () => {
    const file = await readRows({ ...assetOf("a.jsonl", '{"a":1}\n'), more: [assetOf("b.jsonl", "{\n")] });
    expect(file.problems[0]).toMatchObject({ line: 2, message: expect.stringMatching(/^b\.jsonl: Line 1 /) });
  });
});
