import { describe, expect, it } from "vitest";
import type { DataCursor } from "../../src/data/batches.ts";
import { epochWindows, WINDOW_BLOCKS, windowOrder } from "../../src/data/block_order.ts";
import { BLOCK_ROWS } from "../../src/data/file_blocks.ts";
import { openBlocks } from "../../src/data/row_blocks.ts";
import { RowStream, type StreamedRow, type StreamOptions } from "../../src/data/row_stream.ts";
import type { Asset } from "../../src/host/host.ts";
import { assetOf } from "./support/files.ts";

const [GOOD, BAD] = ['{"text":"00000000"}\n', '{"text":"00000000!}\n'].map((line) =>
  new TextEncoder().encode(line),
) as [Uint8Array, Uint8Array];

/** Rows of 20 bytes each that are made as they are read, and how many bytes were asked for at once at most. */
function madeRows(count: number, isBad: (row: number) => boolean = () => false) {
  const WIDTH = 20;
  const asked = { most: 0, total: 0 };
  const read = async (start: number, end: number) => {
    asked.most = Math.max(asked.most, end - start);
    asked.total += end - start;
    const first = Math.floor(start / WIDTH);
    const last = Math.ceil(end / WIDTH);
    const bytes = new Uint8Array((last - first) * WIDTH);
    for (let row = first, at = 0; row < last; row++, at += WIDTH) {
      bytes.set(isBad(row) ? BAD : GOOD, at);
      for (let i = 16, rest = row; i > 8; i--, rest = Math.floor(rest / 10)) bytes[at + i] = 48 + (rest % 10);
    }
    return bytes.slice(start - first * WIDTH, end - first * WIDTH);
  };
  const asset: Asset = { name: "made.jsonl", size: count * WIDTH, read };
  return { asset, asked };
}

async function streamOf(asset: Asset, options: Partial<StreamOptions<number>> = {}) {
  const blocks = await openBlocks(asset);
  return new RowStream<number>({
    ...{ blocks, strategy: "random", seed: 3, skipBadRows: true, known: [], bounds: [], onClose: () => {} },
    isTraining: () => true,
    read: (block) => blocks.read(block),
    encode({ rows, problems }, place): StreamedRow<number> {
      const row = rows[place];
      if (!row) return { problem: problems.get(place)?.message ?? "" };
      return { row: Number(row["text"]), cut: false };
    },
    ...options,
  });
}

/** What some takes give, with the cursor after each. */
async function takeAll(stream: RowStream<number>, count: number, times: number, from?: DataCursor) {
  let cursor = from ?? { epoch: 0, position: 0 };
  const takes: { rows: readonly number[]; next: DataCursor; notes: readonly string[] }[] = [];
  for (let i = 0; i < times; i++) {
    const taken = await stream.take(cursor, count);
    takes.push(taken);
    cursor = taken.next;
    stream.ahead(cursor, count);
  }
  return takes;
}

const upTo = (count: number) => Array.from({ length: count }, (_, row) => row);

describe("the order of an epoch", () => {
  it.each([1, 511, 512, 513, 3 * 512 + 7, 40 * 512 + 1])("visits %i rows once each", (rows) => {
    const sizes = Array.from({ length: Math.ceil(rows / 512) }, (_, i) => Math.min(512, rows - 512 * i));
    for (const epoch of [0, 1]) {
      const seen = new Uint8Array(rows);
      for (const window of epochWindows(sizes, { strategy: "random", seed: 1 }, epoch)) {
        expect(window.blocks.length).toBeLessThanOrEqual(WINDOW_BLOCKS);
        const inIt = window.blocks.flatMap((block) =>
          upTo(sizes[block] ?? 0).map((row) => 512 * block + row),
        );
        for (const place of windowOrder(window, { strategy: "random", seed: 1 }, epoch)) {
          seen[inIt[place] ?? 0] = (seen[inIt[place] ?? 0] ?? 0) + 1;
        }
      }
      expect(seen.every((times) => times === 1)).toBe(true);
    }
  });

  it("is another one for each epoch and seed, and the file's when it is sequential", () => {
    const sizes = Array.from({ length: 40 }, () => 10);
    const blocks = (seed: number, epoch: number, strategy: "random" | "sequential" = "random") =>
      epochWindows(sizes, { strategy, seed }, epoch).flatMap((window) => window.blocks);
    expect(blocks(1, 0)).toEqual(blocks(1, 0));
    expect(blocks(1, 0)).not.toEqual(blocks(1, 1));
    expect(blocks(1, 0)).not.toEqual(blocks(2, 0));
    expect(blocks(1, 5, "sequential")).toEqual(upTo(40));
    expect([...windowOrder({ start: 8, end: 12 }, { strategy: "sequential", seed: 1 }, 0)]).toEqual(upTo(4));
  });
});

describe("a stream", () => {
  it.each([1, 7, 512, 1025])(
    "of %i rows has every row once an epoch, and goes on from any cursor",
    async (rows) => {
      const { asset } = madeRows(rows);
      const size = Math.max(1, Math.floor(rows / 3));
      const perEpoch = Math.ceil(rows / size);
      const takes = await takeAll(await streamOf(asset), size, 2 * perEpoch);
      for (const epoch of [0, 1]) {
        const all = takes.slice(epoch * perEpoch, (epoch + 1) * perEpoch).flatMap((taken) => taken.rows);
        expect(all.toSorted((a, b) => a - b)).toEqual(upTo(rows));
      }
      for (const [i, taken] of takes.entries()) {
        const cursor = JSON.parse(JSON.stringify(taken.next)) as DataCursor;
        const rest = await takeAll(await streamOf(asset), size, takes.length - i - 1, cursor);
        expect(rest.map((one) => one.rows)).toEqual(takes.slice(i + 1).map((one) => one.rows));
      }
    },
  );

  it("of a million rows holds a window of them, whatever is taken, and reads no more than blocks", async () => {
    const { asset, asked } = madeRows(1_000_000);
    const stream = await streamOf(asset);
    expect(stream.count).toBe(1_000_000);
    expect(asked.most).toBe(4 * 1024 * 1024);
    asked.most = 0;
    asked.total = 0;
    let cursor: DataCursor = { epoch: 0, position: 8_000 };
    let most = 0;
    const seen = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const taken = await stream.take(cursor, 64);
      stream.ahead(taken.next, 64);
      most = Math.max(most, stream.rowsHeld);
      for (const row of taken.rows) seen.add(row);
      cursor = taken.next;
    }
    expect(cursor).toEqual({ epoch: 0, position: 9_280 });
    expect(seen.size).toBe(1_280);
    expect(most).toBe(WINDOW_BLOCKS * BLOCK_ROWS);
    expect(asked.most).toBeLessThanOrEqual(20 * BLOCK_ROWS);
    // The window that the cursor was in, and the next one.
    expect(asked.total).toBeLessThanOrEqual(2 * WINDOW_BLOCKS * BLOCK_ROWS * 20);
    stream.close();
    expect(stream.rowsHeld).toBe(0);
  });

  it("passes over rows that cannot be used: batches stay full until the epoch ends", async () => {
    const { asset } = madeRows(30, (row) => row % 3 === 0);
    const takes = await takeAll(await streamOf(asset), 8, 6);
    expect(takes.map(({ rows }) => rows.length)).toEqual([8, 8, 4, 8, 8, 4]);
    expect(takes[2]?.next).toEqual({ epoch: 1, position: 0 });
    const epoch = takes.slice(0, 3).flatMap(({ rows }) => rows);
    expect(epoch.toSorted((a, b) => a - b)).toEqual(upTo(30).filter((row) => row % 3 !== 0));
    const notes = takes.flatMap((taken) => taken.notes);
    expect(notes[0]).toMatch(/^Line \d+ is no valid JSON: .* The row was left out\.$/);
    expect(notes.filter((note) => note.endsWith("The row was left out."))).toHaveLength(20);
    expect(notes).toContain("Further rows that are left out are only counted.");
    expect(notes.at(-1)).toBe(
      "Since this run was opened, 20 rows were left out and 0 were cut to the longest length.",
    );
  });

  it("stops before a row that cannot be used when it is not to be passed over, as often as it is asked", async () => {
    const { asset } = madeRows(30, (row) => row === 10);
    const stream = await streamOf(asset, { skipBadRows: false, strategy: "sequential" });
    const [first, second] = await takeAll(stream, 5, 2);
    expect([first?.rows, second?.rows]).toEqual([upTo(5), [5, 6, 7, 8, 9]]);
    for (let i = 0; i < 2; i++) {
      await expect(stream.take({ epoch: 0, position: 10 }, 5)).rejects.toThrow(
        /^made\.jsonl: Line 11 is no valid JSON.*Correct the row/,
      );
    }
    expect((await stream.take({ epoch: 0, position: 11 }, 5)).rows).toEqual([11, 12, 13, 14, 15]);
  });

  it("takes no row that is held out, and says when there is none at all", async () => {
    const { asset } = madeRows(1100);
    const stream = await streamOf(asset, { isTraining: (row) => row % 10 === 0 && row < 600 });
    expect(stream.count).toBe(60);
    const [taken] = await takeAll(stream, 60, 1);
    expect(taken?.rows.toSorted((a, b) => a - b)).toEqual(upTo(60).map((row) => 10 * row));
    const none = await streamOf(madeRows(5, () => true).asset);
    await expect(none.take({ epoch: 0, position: 0 }, 2)).rejects.toThrow(/No row is left/);
  });

  it("reads again after a failure of its file", async () => {
    const { asset } = madeRows(20);
    let fails = false;
    const read = (start: number, end: number) =>
      fails ? Promise.reject(new Error("gone")) : asset.read(start, end);
    const stream = await streamOf({ ...asset, read });
    fails = true;
    stream.ahead({ epoch: 0, position: 0 }, 4);
    await expect(stream.take({ epoch: 0, position: 0 }, 4)).rejects.toThrow("gone");
    fails = false;
    expect((await stream.take({ epoch: 0, position: 0 }, 4)).rows).toHaveLength(4);
  });
});

describe("rows of CSV", () => {
  it("may hold line ends and quotes; records are found where they truly end", async () => {
    const rows = upTo(1200).map((row) => `"row ${row}\r\nsays ""x"", and\n",${row}`);
    const text = `text,n\r\n\r\n${rows.join("\r\n")}\r\n,\r\n`;
    const blocks = await openBlocks(assetOf("rows.csv", text));
    expect([blocks.rows, blocks.delimiter]).toEqual([1200, ","]);
    expect(blocks.firsts).toEqual([0, 512, 1024, 1200]);
    const block = await blocks.read(1);
    expect(block.rows[3]).toEqual({ text: 'row 515\r\nsays "x", and\n', n: "515" });
    expect(block.lines[3]).toBe(3 + 515 * 3);
    expect([...block.problems.keys()]).toEqual([]);
  });

  it("a quote that is never closed and a file that cannot be streamed are told", async () => {
    const head = new TextEncoder().encode('text\n"never closed\n');
    const open: Asset = {
      ...{ name: "rows.csv", size: 200 * 2 ** 20 },
      async read(start, end) {
        const bytes = new Uint8Array(end - start).fill(120);
        if (start === 0) bytes.set(head.subarray(0, end));
        return bytes;
      },
    };
    await expect(openBlocks(open)).rejects.toThrow(/begins in line 2 has no end/);
    await expect(openBlocks(assetOf("rows.json", "[]"))).rejects.toThrow(
      /is a JSON list.*streaming to false/,
    );
    await expect(openBlocks(assetOf("rows.jsonl", "\n \n"))).rejects.toThrow(/holds no rows/);
  });
});

it("bad lines have their place, and lines are counted through all files", async () => {
  const first = assetOf("a.jsonl", '{"text":"a"}\n\nnonsense\n');
  const blocks = await openBlocks({ ...first, more: [assetOf("b.jsonl", '\n{"text":"b"}\n[1]')] });
  expect([blocks.name, blocks.rows]).toEqual(["a.jsonl and 1 more", 4]);
  expect(await blocks.read(0)).toMatchObject({ rows: [{ text: "a" }, undefined], lines: [1, 3] });
  const last = await blocks.read(1);
  expect(last.lines).toEqual([5, 6]);
  expect(last.problems.get(1)).toMatchObject({
    line: 6,
    message: expect.stringMatching(/^b\.jsonl: Line 3 is/),
  });
});

it("UTF-16 and a limit of rows", async () => {
  const text =
    "\uFEFF" +
    upTo(9)
      .map((row) => `line ${row} Ċ\r\n`)
      .join("\r\n");
  const bytes = new Uint8Array(Uint16Array.from(text, (sign) => sign.charCodeAt(0)).buffer);
  const blocks = await openBlocks(assetOf("a.txt", bytes), { limit: 4 });
  expect(blocks.rows).toBe(4);
  expect((await blocks.read(0)).rows).toEqual(upTo(4).map((row) => ({ text: `line ${row} Ċ` })));
});
