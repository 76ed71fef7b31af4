import { describe, expect, it } from "vitest";
import { readRows } from "../../src/data/rows.ts";
import { assetOf } from "./support/files.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function utf16(text: string, littleEndian: boolean, mark: boolean): Uint8Array {
  const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
  if (mark) units.unshift(0xfeff);
  const view = new DataView(new ArrayBuffer(units.length * 2));
  for (const [i, unit] of units.entries()) view.setUint16(i * 2, unit, littleEndian);
  return new Uint8Array(view.buffer);
}

describe("JSONL", () => {
  it("rows with their lines; blank lines, CRLF, a byte order mark and no last line end are well", async () => {
    const file = await readRows(assetOf("d.jsonl", '\ufeff{"a": 1}\r\n\r\n{"a": "é", "b": 2}'));
    expect(file).toMatchObject({
      format: "jsonl",
      encoding: "utf-8",
      rows: [{ a: 1 }, { a: "é", b: 2 }],
      lines: [1, 3],
      columns: ["a", "b"],
      problemTotal: 0,
    });
  });

  it("bad rows are problems with their lines and stop nothing", async () => {
    const parts = [
      bytes('{"a": 1}\n{"a": \n[1]\n"x"\n'),
      Uint8Array.of(0x22, 0xff, 0x22, 0x0a),
      bytes('{"a": 2}\n'),
    ];
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    const file = await readRows(assetOf("d.jsonl", all));
    expect(file.rows).toEqual([{ a: 1 }, { a: 2 }]);
    expect(file.lines).toEqual([1, 6]);
    expect(file.problems.map(({ line, kind }) => [line, kind])).toEqual([
      [2, "syntax"],
      [3, "not-an-object"],
      [4, "not-an-object"],
      [5, "encoding"],
    ]);
    expect(file.problems[1]?.message).toBe("Line 3 is a list, not an object.");
    expect(file.problemCounts).toEqual({ syntax: 1, "not-an-object": 2, encoding: 1 });
  });

  it.each([
    ["little endian with a mark", true, true, "utf-16le"],
    ["big endian with a mark", false, true, "utf-16be"],
    ["little endian without", true, false, "utf-16le"],
    ["big endian without", false, false, "utf-16be"],
  ] as const)("UTF-16, %s", async (_, littleEndian, mark, encoding) => {
    // U+0A0A and U+010A hold a byte that looks like a line end.
    const text = '{"a": "first \u0a0a"}\r\n{"a": "\u010a 🦆"}\n';
    const file = await readRows(assetOf("d.jsonl", utf16(text, littleEndian, mark)));
    expect(file).toMatchObject({
      encoding,
      rows: [{ a: "first \u0a0a" }, { a: "\u010a 🦆" }],
      lines: [1, 2],
    });
  });

  it("a file larger than one read: lines across the border are whole", async () => {
    const row = JSON.stringify({ text: "é".repeat(500) });
    const file = await readRows(assetOf("d.jsonl", `${row}\n`.repeat(9000)));
    expect(file.rows).toHaveLength(9000);
    expect(file.problemTotal).toBe(0);
    expect(new Set(file.rows.map((r) => r["text"])).size).toBe(1);
  });

  it("keeps the first thousand problems and counts them all", async () => {
    const file = await readRows(assetOf("d.jsonl", `{"a":1}\n${"x\n".repeat(1500)}`));
    expect(file.problems).toHaveLength(1000);
    expect(file.problemTotal).toBe(1500);
  });

  it("reads only as many rows as asked for", async () => {
    const file = await readRows(assetOf("d.jsonl", '{"a":1}\n{"a":2}\n{"a":3}\n'), { limit: 2 });
    expect(file.rows).toEqual([{ a: 1 }, { a: 2 }]);
  });
});

describe("JSON", () => {
  it.each([
    ["a list", '[{"a":1},{"a":2}]'],
    ["under data", '{"version":1,"data":[{"a":1},{"a":2}]}'],
    ["one object a line", '{"a":1}\n{"a":2}\n'],
  ])("%s", async (_, text) => {
    expect((await readRows(assetOf("d.json", text))).rows).toEqual([{ a: 1 }, { a: 2 }]);
  });

  it("an element that is no object is a problem of its row", async () => {
    const file = await readRows(assetOf("d.json", '[{"a":1}, 2]'));
    expect(file.problems).toEqual([
      { line: 2, kind: "not-an-object", message: "Row 2 is a number, not an object." },
    ]);
  });

  it("broken JSON is refused with the place", async () => {
    await expect(readRows(assetOf("d.json", "[1,"))).rejects.toMatchObject({ code: "dataset-invalid" });
    await expect(readRows(assetOf("d.json", '{"x": {"y": []}}'))).rejects.toThrow(/no list of rows/);
  });
});

describe("CSV and TSV", () => {
  it("quotes, line ends inside values, a guessed delimiter, lines as in the file", async () => {
    const file = await readRows(assetOf("d.csv", 'q;a\n"one; ""two""";1\n"line\nbreak";2\n\nlast;3\n'));
    expect(file).toMatchObject({
      format: "csv",
      delimiter: ";",
      columns: ["q", "a"],
      rows: [
        { q: 'one; "two"', a: "1" },
        { q: "line\nbreak", a: "2" },
        { q: "last", a: "3" },
      ],
      lines: [2, 3, 6],
    });
  });

  it("a row with another number of values is a problem", async () => {
    const file = await readRows(assetOf("d.tsv", "a\tb\n1\t2\n3\n4\t5\n"));
    expect(file.rows).toHaveLength(2);
    expect(file.problems).toEqual([
      { line: 3, kind: "column-count", message: "Line 3 has 1 values; the header has 2 columns." },
    ]);
  });

  it("a quote that never ends is a problem of the line where it begins", async () => {
    const file = await readRows(assetOf("d.csv", 'a,b\n1,2\n"3,4\n5,6\n'));
    expect(file.rows).toEqual([{ a: "1", b: "2" }]);
    expect(file.problems[0]).toMatchObject({ line: 3, kind: "quotes" });
  });

  it("a column named twice is refused", async () => {
    await expect(readRows(assetOf("d.csv", "a,a\n1,2\n"))).rejects.toThrow(/column "a" twice/);
  });
});

describe("the rest", () => {
  it("text: a row a line", async () => {
    const file = await readRows(assetOf("d.txt", "one\n\n two\r\n"));
    expect(file.rows).toEqual([{ text: "one" }, { text: " two" }]);
  });

  it("a name that says nothing: the content does", async () => {
    expect((await readRows(assetOf("data", '{"a":1}\n'))).format).toBe("jsonl");
    expect((await readRows(assetOf("data", '\n [{"a":1}]'))).format).toBe("json");
    await expect(readRows(assetOf("data", "hello"))).rejects.toThrow(/does not say what it holds/);
  });

  it.each([
    ["empty", "d.jsonl", ""],
    ["without rows", "d.jsonl", "\n\n"],
    ["gzip", "d.jsonl.gz", Uint8Array.of(0x1f, 0x8b, 8, 0)],
    ["CSV that is no text", "d.csv", Uint8Array.of(0x61, 0x0a, 0xff, 0x0a)],
  ])("%s is refused", async (_, name, content) => {
    await expect(readRows(assetOf(name, content))).rejects.toMatchObject({ code: "dataset-invalid" });
  });
});
