import { describe, expect, it } from "vitest";
import { packedRows, unpackedRows } from "../../src/data/packed_rows.ts";
import { type PackingStrategy, packDocuments } from "../../src/data/packing.ts";
import { fixture } from "./support/files.ts";

/** trl 1.13 pack_dataset, executed: ids [[1..5],[6,7],[8,9,10],[11],[12..20]] with a length of 4. */
const documents = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10], [11], [12, 13, 14, 15, 16, 17, 18, 19, 20]].map(
  (ids, rowIndex) => ({
    ids: Uint32Array.from(ids),
    learned: new Uint8Array(ids.length).fill(1),
    rowIndex,
  }),
);

function packed(strategy: "bfd" | "bfd_split" | "wrapped") {
  const { rows } = packedRows(documents, 4, strategy);
  return { ids: rows.map((row) => [...row.ids]), lengths: rows.map((row) => [...row.lengths]) };
}

describe("trl's own example", () => {
  it("bfd cuts long documents", () => {
    expect(packed("bfd")).toEqual({
      ids: [
        [1, 2, 3, 4],
        [12, 13, 14, 15],
        [8, 9, 10, 11],
        [6, 7],
      ],
      lengths: [[4], [4], [3, 1], [2]],
    });
    expect(packedRows(documents, 4, "bfd").cutDocuments).toBe(2);
  });

  it("bfd_split keeps every token", () => {
    expect(packed("bfd_split")).toEqual({
      ids: [
        [1, 2, 3, 4],
        [12, 13, 14, 15],
        [16, 17, 18, 19],
        [8, 9, 10, 5],
        [6, 7, 11, 20],
      ],
      lengths: [[4], [4], [4], [3, 1], [2, 1, 1]],
    });
  });

  it("wrapped pays no heed to documents", () => {
    const { ids, lengths } = packed("wrapped");
    expect(ids.flat()).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(lengths).toEqual([[4], [4], [4], [4], [4]]);
  });
});

interface Packing {
  readonly lengths: number[];
  readonly max: number;
  /** Ids and sequence lengths of each row. */
  readonly truncate: [number[][], number[][]];
  readonly split: [number[][], number[][]];
  readonly wrapped: number[][];
}

describe("random documents are packed as trl packs them", () => {
  const cases = fixture<Packing>("packings");
  it.each(cases.map((row, i) => [i, row] as const))("%i", (_, { lengths, max, truncate, split, wrapped }) => {
    const examples = lengths.map((length, document) => ({
      ids: Uint32Array.from({ length }, (__, token) => 1000 * document + token),
      learned: new Uint8Array(length).fill(1),
      rowIndex: document,
    }));
    const rows = (strategy: PackingStrategy) => {
      const list = packedRows(examples, max, strategy).rows;
      return [list.map((row) => [...row.ids]), list.map((row) => [...row.lengths])];
    };
    expect(rows("bfd")).toEqual(truncate);
    expect(rows("bfd_split")).toEqual(split);
    expect(rows("wrapped")[0]).toEqual(wrapped);
  });
});

it("among bins of equal room, the one that came to that room first takes the next document", () => {
  // 6, 5 and 4 open three bins of 8; 1 makes the bin of 5 one of 6, behind the bin that was one from the start.
  const { rows } = packDocuments([6, 5, 4, 2, 1, 1], 8, "bfd");
  expect(rows.map((row) => row.sequences.map(([slice]) => slice?.document))).toEqual([
    [0, 3],
    [1, 4, 5],
    [2],
  ]);
});

it("documents of different batches of 1000 never share a row; empty ones vanish", () => {
  const lengths = Array.from({ length: 1002 }, (_, i) => (i === 3 ? 0 : 1));
  const { rows } = packDocuments(lengths, 4000, "bfd");
  expect(rows.map((row) => row.length)).toEqual([999, 2]);
  expect(packDocuments(lengths, 4000, "wrapped").rows.map((row) => row.length)).toEqual([999, 2]);
});

it("the first token of a sequence is never a target", () => {
  const { rows } = packedRows(documents, 4, "bfd");
  expect(rows.map((row) => [...row.learned])).toEqual([
    [0, 1, 1, 1],
    [0, 1, 1, 1],
    [0, 1, 1, 0],
    [0, 1],
  ]);
  expect(packedRows(documents, 4, "wrapped").rows.map((row) => [...row.learned])).toEqual(
    Array(5).fill([0, 1, 1, 1]),
  );
  expect(unpackedRows(documents).map((row) => row.learned[0])).toEqual([0, 0, 0, 0, 0]);
});

it("says which rows of the file lie in a packed row", () => {
  expect(packedRows(documents, 4, "bfd").rows.map((row) => row.rowIndices)).toEqual([[0], [4], [2, 3], [1]]);
});

it("a length below 1 is refused", () => {
  expect(() => packDocuments([1], 0, "bfd")).toThrow(/at least 1/);
});
