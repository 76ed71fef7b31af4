import type { Row } from "./message.ts";

export type RowProblemKind =
  | "syntax"
  | "not-an-object"
  | "encoding"
  | "column-count"
  | "quotes"
  | "missing-column"
  | "wrong-type"
  | "empty"
  | "role"
  | "group";

/** One row that cannot be used, and why. The rest of the file is read all the same. */
export interface RowProblem {
  /** Line of the file, counted from 1; for a JSON array, the element, counted from 1. */
  readonly line: number;
  readonly kind: RowProblemKind;
  readonly message: string;
}

/** Problems past this many are counted but not kept. */
export const KEPT_PROBLEMS = 1000;

/** Counts problems by kind and keeps the first thousand. */
export class ProblemList {
  readonly kept: RowProblem[] = [];
  readonly counts: Partial<Record<RowProblemKind, number>> = {};
  total = 0;

  add(problem: RowProblem): void {
    this.total += 1;
    this.counts[problem.kind] = (this.counts[problem.kind] ?? 0) + 1;
    if (this.kept.length < KEPT_PROBLEMS) this.kept.push(problem);
  }
}

/** Where the readers put what they find. */
export interface RowSink {
  /** Whether enough rows were read. */
  readonly full: boolean;
  /** Which of the next `count` rows are wanted, counted from the first of them. */
  wanted(count: number): { readonly from: number; readonly to: number };
  row(line: number, row: Row): void;
  /** Says that rows which are not wanted were not read; `line` is the last of them. */
  pass(count: number, line: number): void;
  problem(problem: RowProblem): void;
}
