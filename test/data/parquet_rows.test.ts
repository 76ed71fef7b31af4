import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openBlocks } from "../../src/data/row_blocks.ts";
import { readRows } from "../../src/data/rows.ts";
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

  it("is refused in words when it is compressed otherwise, cut or damaged", async () => {
    await expect(readRows(open("kinds/zstd.parquet"))).rejects.toMatchObject({
      code: "dataset-invalid",
      message: expect.stringMatching(/compressed with ZSTD.*snappy/),
    });
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
