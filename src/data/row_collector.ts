import type { Row } from "./message.ts";
import { ProblemList, type RowProblem, type RowSink } from "./row_problem.ts";
import type { RowRange } from "./split_slice.ts";

/** Takes the rows of one file after the other and keeps those of a range. */
export class RowCollector implements RowSink {
  readonly problems = new ProblemList();
  /** Rows that came by, kept or not. */
  position = 0;
  readonly #range: RowRange;
  readonly #rows: Row[] = [];
  readonly #lines: number[] = [];
  /** Lines of the files before, and what a message must say to tell the files apart. */
  #before = 0;
  #last = 0;
  #where = "";

  constructor(range: RowRange) {
    this.#range = range;
  }

  /** Starts the next file; `where` stands before its problems. */
  begin(where: string): void {
    this.#before = this.#last;
    this.#where = where;
  }

  get full(): boolean {
    return this.position >= this.#range.to;
  }

  wanted(count: number): RowRange {
    const within = (at: number) => Math.min(Math.max(at - this.position, 0), count);
    return { from: within(this.#range.from), to: within(this.#range.to) };
  }

  row(line: number, row: Row): void {
    this.#last = this.#before + line;
    if (this.position >= this.#range.from && this.position < this.#range.to) {
      this.#rows.push(row);
      this.#lines.push(this.#last);
    }
    this.position += 1;
  }

  pass(count: number, line: number): void {
    this.position += count;
    this.#last = this.#before + line;
  }

  problem(problem: RowProblem): void {
    this.#last = this.#before + problem.line;
    this.problems.add({ ...problem, line: this.#last, message: this.#where + problem.message });
  }

  /** The rows, or those of a range that was not known before, with their lines and every column of any of them. */
  take(range: RowRange | undefined): {
    rows: readonly Row[];
    lines: readonly number[];
    columns: readonly string[];
  } {
    const cut = <T>(list: readonly T[]): readonly T[] => (range ? list.slice(range.from, range.to) : list);
    const rows = cut(this.#rows);
    const columns = new Set<string>();
    for (const row of rows) for (const column of Object.keys(row)) columns.add(column);
    return { rows, lines: cut(this.#lines), columns: [...columns] };
  }
}
