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

function rowKey(row: Row): string {
  return JSON.stringify(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
