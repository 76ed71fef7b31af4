import { AppError } from "../lib/errors.ts";
import type { DataCursor } from "./batches.ts";
import { epochWindows, type RowWindow, windowAt, windowOrder } from "./block_order.ts";
import type { RowBlock, RowBlocks } from "./row_blocks.ts";
import { noRows, type Taken, type TrainRows } from "./train_rows.ts";

/** What becomes of a row: something to train on, or why it is left out, as a sentence that names the line. */
export type StreamedRow<T> =
  | { readonly row: T; readonly cut: boolean }
  /** It cannot be used. */
  | { readonly problem: string }
  /** It can be read, and teaches nothing. */
  | { readonly dropped: string };

export interface StreamOptions<T> {
  readonly blocks: Pick<RowBlocks, "name" | "firsts">;
  /** Which rows are trained on, by their number in the dataset. */
  readonly isTraining: (row: number) => boolean;
  readonly strategy: "random" | "sequential";
  readonly seed: number;
  /** Go on without rows that cannot be used; else the first of them is an error. */
  readonly skipBadRows: boolean;
  /** Reads a block, with a person's code run on its rows. */
  readonly read: (block: number) => Promise<RowBlock>;
  readonly encode: (block: RowBlock, place: number, rowIndex: number) => StreamedRow<T>;
  readonly known: readonly T[];
  readonly bounds: readonly T[];
  readonly onClose: () => void;
}

/** Rows that are left out and told one by one; the rest is counted. */
const TOLD = 20;

interface Gathered<T> {
  readonly rows: readonly T[];
  readonly next: DataCursor;
  /** Why rows were left out, one sentence each. */
  readonly left: readonly string[];
  readonly cut: number;
}

type Found<T> =
  | { readonly row: T; readonly cut: boolean }
  | { readonly left: string }
  | { readonly error: AppError };

/** A window with its blocks in memory, and its rows in the order in which they are taken. */
interface OpenWindow extends RowWindow {
  readonly epoch: number;
  readonly read: ReadonlyMap<number, RowBlock>;
  /** Block and place of each row. */
  readonly rows: readonly (readonly [block: number, place: number])[];
}

/**
 * Rows that are read as they are needed. In memory are the rows of one window of the order (`epochWindows`), as they were
 * read, and as tokens those of the step that is next. Cursors count rows of the file, whether they can be used or not: going
 * on from one gives what the uninterrupted run would have had.
 */
export class RowStream<T> implements TrainRows<T> {
  readonly count: number;
  readonly known: readonly T[];
  readonly bounds: readonly T[];
  readonly #options: StreamOptions<T>;
  /** Training rows of each block. */
  readonly #sizes: Uint32Array;
  #epoch: { readonly epoch: number; readonly windows: readonly RowWindow[] } | undefined;
  #window: OpenWindow | undefined;
  /** What was said to come next. */
  #ahead: { readonly key: string; readonly gathered: Promise<Gathered<T>> } | undefined;
  #held = 0;
  readonly #tally = { leftOut: 0, cut: 0, told: 0 };

  constructor(options: StreamOptions<T>) {
    const { firsts } = options.blocks;
    this.#options = options;
    this.known = options.known;
    this.bounds = options.bounds;
    this.#sizes = Uint32Array.from({ length: Math.max(0, firsts.length - 1) }, (_, block) => {
      let size = 0;
      for (let row = firsts[block] ?? 0; row < (firsts[block + 1] ?? 0); row++)
        if (options.isTraining(row)) size += 1;
      return size;
    });
    this.count = this.#sizes.reduce((sum, size) => sum + size, 0);
  }

  /** Rows in memory as they were read, those that are not trained on included. */
  get rowsHeld(): number {
    return this.#held;
  }

  async take(from: DataCursor, count: number): Promise<Taken<T>> {
    const gathered = await this.#taken(from, count);
    if (gathered.rows.length > 0) {
      return { rows: gathered.rows, next: gathered.next, notes: this.#notes(from, gathered) };
    }
    // A whole epoch without a row; else the epoch's end was passed over.
    if (from.position === 0) throw noRows();
    const notes = this.#notes(from, gathered);
    const taken = await this.take(gathered.next, count);
    return { ...taken, notes: [...notes, ...taken.notes] };
  }

  async #taken(from: DataCursor, count: number): Promise<Gathered<T>> {
    try {
      return await this.#start(from, count);
    } finally {
      // What failed is tried anew the next time: a connection may be back, a file corrected.
      this.#ahead = undefined;
    }
  }

  ahead(from: DataCursor, count: number): void {
    // What fails is told when it is taken.
    this.#start(from, count).catch(() => {});
  }

  close(): void {
    this.#ahead = undefined;
    this.#window = undefined;
    this.#held = 0;
    this.#options.onClose();
  }

  /** One gathering at a time: they share the window. */
  #start(from: DataCursor, count: number): Promise<Gathered<T>> {
    const key = JSON.stringify([from.epoch, from.position, count]);
    if (this.#ahead?.key === key) return this.#ahead.gathered;
    const before = this.#ahead?.gathered ?? Promise.resolve();
    const gathered = before.then(
      () => this.#gather(from, count),
      () => this.#gather(from, count),
    );
    this.#ahead = { key, gathered };
    return gathered;
  }

  /** The next usable rows. Stops before the first usable row that is too many, so that a cursor never ends an epoch in vain. */
  async #gather({ epoch, position: from }: DataCursor, count: number): Promise<Gathered<T>> {
    const rows: T[] = [];
    const left: string[] = [];
    let cut = 0;
    for (let position = from; position < this.count; position++) {
      const found = this.#encode(await this.#openWindow(epoch, position), position);
      if (!("left" in found) && rows.length >= count) return { rows, left, cut, next: { epoch, position } };
      if ("error" in found) throw found.error;
      if ("left" in found) left.push(found.left);
      else {
        rows.push(found.row);
        cut += Number(found.cut);
      }
    }
    return { rows, left, cut, next: { epoch: epoch + 1, position: 0 } };
  }

  #encode(window: OpenWindow, position: number): Found<T> {
    const { blocks, encode, skipBadRows } = this.#options;
    const [block, place] = window.rows[position - window.start] ?? [0, 0];
    const row = encode(window.read.get(block) as RowBlock, place, (blocks.firsts[block] ?? 0) + place);
    if ("dropped" in row) return { left: row.dropped };
    if (!("problem" in row)) return row;
    return skipBadRows ? { left: row.problem } : { error: badRow(blocks.name, row.problem) };
  }

  async #openWindow(epoch: number, position: number): Promise<OpenWindow> {
    const open = this.#window;
    if (open?.epoch === epoch && open.start <= position && position < open.end) return open;
    if (this.#epoch?.epoch !== epoch) {
      this.#epoch = { epoch, windows: epochWindows(this.#sizes, this.#options, epoch) };
    }
    const window = windowAt(this.#epoch.windows, position) as RowWindow;
    const { firsts } = this.#options.blocks;
    // The window before goes first: two are never in memory.
    this.#window = undefined;
    this.#held = 0;
    const read = new Map<number, RowBlock>();
    const rows: (readonly [number, number])[] = [];
    for (const block of window.blocks) {
      if (this.#sizes[block] === 0) continue;
      const first = firsts[block] ?? 0;
      const found = await this.#options.read(block);
      read.set(block, found);
      this.#held += found.rows.length;
      for (let row = first; row < (firsts[block + 1] ?? 0); row++) {
        if (this.#options.isTraining(row)) rows.push([block, row - first]);
      }
    }
    const order = windowOrder(window, this.#options, epoch);
    this.#window = {
      ...{ ...window, epoch, read },
      rows: Array.from(order, (place) => rows[place] as readonly [number, number]),
    };
    return this.#window;
  }

  #notes(from: DataCursor, { left, cut, next }: Gathered<T>): string[] {
    const tally = this.#tally;
    tally.cut += cut;
    const notes: string[] = [];
    for (const why of left) {
      tally.leftOut += 1;
      if (tally.told === TOLD) continue;
      tally.told += 1;
      notes.push(`${why} The row was left out.`);
      if (tally.told === TOLD) notes.push("Further rows that are left out are only counted.");
    }
    if (next.epoch > from.epoch && tally.leftOut + tally.cut > 0) {
      notes.push(
        `Since this run was opened, ${tally.leftOut} rows were left out and ${tally.cut} were cut to the longest length.`,
      );
    }
    return notes;
  }
}

/** A row that cannot be used, where the run is not to go on without it. */
export function badRow(name: string, problem: string): AppError {
  return new AppError(
    "dataset-invalid",
    `${name}: ${problem} Correct the row, or go on without the rows that cannot be used.`,
    { details: { name, problems: [problem] } },
  );
}
