import { describe, expect, it } from "vitest";
import { readRows } from "../../src/data/rows.ts";
import { parseSplit, rangeOfPart, selectRows } from "../../src/data/split_slice.ts";
import { assetOf } from "./support/files.ts";

const range = (split: string, count: number) => {
  const [part] = parseSplit(split);
  if (part === undefined) throw new Error("there is a term");
  const { from, to } = rangeOfPart(part, count);
  return [from, to];
};

describe("a slice", () => {
  it.each([
    ["train", 50, 0, 50],
    ["train[:10]", 50, 0, 10],
    ["train[40:]", 50, 40, 50],
    ["train[40:1_000]", 50, 40, 50],
    ["test[-5:]", 50, 45, 50],
    ["test[-500:-45]", 50, 0, 5],
    ["train[10%:20%]", 50, 5, 10],
    ["train[-20%:]", 50, 40, 50],
    // datasets rounds bounds as Python does: a half goes to the even number.
    ["train[:10%]", 25, 0, 2],
    ["train[:10%]", 35, 0, 4],
    ["train[:1%](pct1_dropremainder)", 250, 0, 2],
    ["train[60:]", 50, 50, 50],
    ["train[20:10]", 50, 20, 20],
  ] as const)("%s of %d rows", (split, count, from, to) => {
    expect(range(split, count)).toEqual([from, to]);
  });

  it.each([
    ["train[a:b]", /no split such as/],
    ["train[:101%]", /percentages go from -100 to 100/],
    ["train+", /no split such as/],
    ["train[:9999999999999999999]", /no number/],
  ])("%s is refused", (split, words) => {
    expect(() => parseSplit(split)).toThrow(words);
  });

  it("of one percent that is less than a row is refused when the rest is to be dropped", () => {
    expect(() => range("train[:1%](pct1_dropremainder)", 99)).toThrow(/99 rows.*needs 100/);
  });

  it("sums name several splits", () => {
    expect(parseSplit("train[:10%] + validation").map(({ split }) => split)).toEqual(["train", "validation"]);
  });
});

describe("rows of a text file", () => {
  const text = Array.from({ length: 20 }, (_, i) => `{"n":${i}}`).join("\n");
  const read = async (split: string, percent: number | null = null, limit: number | null = null) => {
    const [part] = parseSplit(split);
    if (part === undefined) throw new Error("there is a term");
    const selection = selectRows(part, { percent, limit });
    const { rows, lines } = await readRows(assetOf("d.jsonl", text), { selection });
    expect(lines).toEqual(rows.map(({ n }) => Number(n) + 1));
    return rows.map(({ n }) => n);
  };

  it("are those that the slice names, of these the share, of these the first", async () => {
    expect(await read("train[2:5]")).toEqual([2, 3, 4]);
    expect(await read("train[-3:]")).toEqual([17, 18, 19]);
    expect(await read("train[50%:]", 30)).toEqual([10, 11, 12]);
    expect(await read("train[50%:]", 30, 2)).toEqual([10, 11]);
    expect(await read("train[:10]", 1)).toEqual([0]);
    expect(await read("train", null, 2)).toEqual([0, 1]);
  });

  it("that no row is left of are refused", async () => {
    await expect(read("train[30:]")).rejects.toThrow(/"train\[30:\]" names none of the 20 rows/);
    await expect(read("train[-0%:0%]")).rejects.toMatchObject({ code: "config-invalid" });
  });
});
