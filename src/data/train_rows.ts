import { AppError } from "../lib/errors.ts";
import { type DataCursor, epochOrder, type SamplingStrategy } from "./batches.ts";

/** Rows that were taken from the order of an epoch. */
export interface Taken<T> {
  readonly rows: readonly T[];
  /** Where the order stands after them. */
  readonly next: DataCursor;
  /** What a person should know of the rows that were passed over on the way. */
  readonly notes: readonly string[];
}

/**
 * The rows that a run trains on, epoch after epoch: all of them in memory (`rowsInMemory`), or read as they are needed
 * (`RowStream`). The order of an epoch depends on (seed, epoch) alone, so that a checkpoint keeps a cursor and nothing else.
 */
export interface TrainRows<T> {
  /** Rows of an epoch: what cursors, epochs and steps are counted by. */
  readonly count: number;
  /** The rows that are known before the first step: all of them in memory, the first ones of a stream. */
  readonly known: readonly T[];
  /** What memory is planned by: no batch is larger than the largest that can be made of these. */
  readonly bounds: readonly T[];
  /**
   * The next rows from a cursor on. Fewer than `count` only where the epoch ends; never none. Throws `dataset-invalid` when
   * there is no row, or when one cannot be used and is not to be passed over.
   */
  take(from: DataCursor, count: number): Promise<Taken<T>>;
  /** Says what will be taken next, so that it can be made ready while the device is at work. */
  ahead(from: DataCursor, count: number): void;
  /** Lets go of what reads the rows. */
  close(): void;
}

export interface RowOrder<T> {
  readonly strategy: SamplingStrategy;
  readonly seed: number;
  /** Rows of a batch: the unit of group_by_length. */
  readonly batchSize: number;
  /** Tokens of a row. */
  readonly lengthOf: (row: T) => number;
}

/** Rows that are all here: in an order that is a permutation of all of them. */
export function rowsInMemory<T>(rows: readonly T[], order: RowOrder<T>): TrainRows<T> {
  const { strategy, seed, batchSize, lengthOf } = order;
  const lengths = strategy === "group_by_length" ? { lengths: rows.map(lengthOf) } : {};
  const options = { rows: rows.length, strategy, seed, batchSize, gradientAccumulationSteps: 1, ...lengths };
  let kept: { readonly epoch: number; readonly order: readonly number[] } | undefined;
  const orderOf = (epoch: number) => {
    if (kept?.epoch !== epoch) kept = { epoch, order: epochOrder(options, epoch) };
    return kept.order;
  };
  return {
    ...{ count: rows.length, known: rows, bounds: rows },
    async take({ epoch, position }, count) {
      if (rows.length === 0) throw noRows();
      const end = Math.min(position + count, rows.length);
      return {
        rows: orderOf(epoch)
          .slice(position, end)
          .map((row) => rows[row] as T),
        next: end < rows.length ? { epoch, position: end } : { epoch: epoch + 1, position: 0 },
        notes: [],
      };
    },
    ahead: () => {},
    close: () => {},
  };
}

export function noRows(): AppError {
  return new AppError("dataset-invalid", "No row is left to train on. See which rows were left out and why.");
}
