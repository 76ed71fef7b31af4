import { AppError, invariant } from "../lib/errors.ts";

export type PackingStrategy = "bfd" | "bfd_split" | "wrapped";

/** Tokens [start, end) of one document. */
export interface Slice {
  readonly document: number;
  readonly start: number;
  readonly end: number;
}

/** One packed row: its sequences in order. A sequence sees only itself; `wrapped` has one sequence of many slices. */
export interface PackedRow {
  readonly sequences: readonly (readonly Slice[])[];
  readonly length: number;
}

export interface Packing {
  readonly rows: readonly PackedRow[];
  /** Documents that lost tokens (`bfd` only). */
  readonly cutDocuments: number;
}

/** trl packs within each `datasets.map` batch, so no row holds documents of two batches. */
const BATCH = 1000;

/**
 * Packs documents of the given token counts into rows of at most `maxLength` tokens, as trl 1.13 `pack_dataset`.
 * Throws `config-invalid` when maxLength is not a positive integer.
 */
export function packDocuments(
  lengths: readonly number[],
  maxLength: number,
  strategy: PackingStrategy,
): Packing {
  if (!Number.isInteger(maxLength) || maxLength < 1) {
    throw new AppError("config-invalid", `Packing needs max_seq_length of at least 1; it is ${maxLength}.`);
  }
  const rows: PackedRow[] = [];
  for (let first = 0; first < lengths.length; first += BATCH) {
    const batch = lengths
      .slice(first, first + BATCH)
      .map((length, i) => ({ document: first + i, start: 0, end: length }))
      .filter((slice) => slice.end > 0);
    rows.push(...(strategy === "wrapped" ? wrap(batch, maxLength) : bestFit(batch, maxLength, strategy)));
  }
  const cutDocuments = strategy === "bfd" ? lengths.filter((length) => length > maxLength).length : 0;
  return { rows, cutDocuments };
}

interface Bin {
  readonly slices: Slice[];
  length: number;
}

/**
 * Best-fit decreasing: longest first (stable), each into the bin with the least room that suffices; among equal bins
 * the one that came to that room first; else a new bin. Bins come out in order of creation.
 */
function bestFit(batch: readonly Slice[], maxLength: number, strategy: "bfd" | "bfd_split"): PackedRow[] {
  const pieces =
    strategy === "bfd"
      ? batch.map((slice) => ({ ...slice, end: Math.min(slice.end, maxLength) }))
      : batch.flatMap((slice) => split(slice, maxLength));
  const order = pieces.toSorted((a, b) => size(b) - size(a));
  const bins: Bin[] = [];
  const byRoom: Bin[][] = Array.from({ length: maxLength }, () => []);
  for (const piece of order) {
    const length = size(piece);
    let room = length;
    while (room < maxLength && byRoom[room]?.length === 0) room++;
    let bin = room < maxLength ? byRoom[room]?.shift() : undefined;
    if (!bin) {
      bin = { slices: [], length: 0 };
      bins.push(bin);
    }
    bin.slices.push(piece);
    bin.length += length;
    invariant(bin.length <= maxLength, "a packed row is longer than max_seq_length");
    byRoom[maxLength - bin.length]?.push(bin);
  }
  return bins.map((bin) => ({ sequences: bin.slices.map((slice) => [slice]), length: bin.length }));
}

function size(slice: Slice): number {
  return slice.end - slice.start;
}

function split(slice: Slice, maxLength: number): Slice[] {
  const pieces: Slice[] = [];
  for (let start = slice.start; start < slice.end; start += maxLength) {
    pieces.push({ document: slice.document, start, end: Math.min(start + maxLength, slice.end) });
  }
  return pieces;
}

/** All documents as one stream, cut every maxLength tokens: a row is one sequence and pays no heed to documents. */
function wrap(batch: readonly Slice[], maxLength: number): PackedRow[] {
  const rows: PackedRow[] = [];
  let row: Slice[] = [];
  let room = maxLength;
  for (const { document, end } of batch) {
    let start = 0;
    while (start < end) {
      const take = Math.min(room, end - start);
      row.push({ document, start, end: start + take });
      start += take;
      room -= take;
      if (room > 0) continue;
      rows.push({ sequences: [row], length: maxLength });
      row = [];
      room = maxLength;
    }
  }
  if (row.length > 0) rows.push({ sequences: [row], length: maxLength - room });
  return rows;
}
