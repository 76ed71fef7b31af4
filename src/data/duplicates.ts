import type { Row } from "./message.ts";

/** Rows that say the same as an earlier row, column order aside. */
export function countDuplicates(rows: readonly Row[]): number {
  return rows.length - new Set(rows.map(rowKey)).size;
}

/** Rows held out for evaluation that are trained on too, so that the evaluation flatters. */
export function countOverlap(train: readonly Row[], heldOut: readonly Row[]): number {
  const trained = new Set(train.map(rowKey));
  return heldOut.filter((row) => trained.has(rowKey(row))).length;
}

/** Above this many rows the comparison would hold up every change of the settings. */
const COMPARED = 50_000;

/** What a person should know of rows that are there twice. */
export function duplicateNotes(train: readonly Row[], heldOut: readonly Row[]): string[] {
  if (train.length + heldOut.length > COMPARED) return [];
  const notes: string[] = [];
  const twice = countDuplicates(train);
  if (twice > 0)
    notes.push(
      `${twice} of ${train.length} rows to train on ${twice === 1 ? "is" : "are"} the same as an earlier row.`,
    );
  const both = countOverlap(train, heldOut);
  if (both > 0) {
    notes.push(
      `${both} of ${heldOut.length} held-out rows ${both === 1 ? "is" : "are"} trained on as well, so that the evaluation flatters.`,
    );
  }
  return notes;
}

function rowKey(row: Row): string {
  return JSON.stringify(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
