import type { CommonConfig } from "../config/fields.ts";
import { type BatchShape, totalSteps } from "../data/batches.ts";
import type { TrainingRow } from "../data/packed_rows.ts";
import type { TrainRows } from "../data/train_rows.ts";
import { AppError } from "../lib/errors.ts";
import type { BatchRow, Capacity } from "../model/batch_tables.ts";

/** What goes on the GPU at once of a micro-batch: rows, pairs or completions. */
export function passSize(config: Pick<CommonConfig, "batch_size" | "forward_batch_size">): number {
  return Math.min(config.forward_batch_size ?? config.batch_size, config.batch_size);
}

/** The most passes of a micro-batch. */
export function passesOfBatch(config: Pick<CommonConfig, "batch_size" | "forward_batch_size">): number {
  return Math.ceil(config.batch_size / passSize(config));
}

/** A micro-batch in its passes, in order; one that is empty is a pass too, with nothing to do. */
export function inPasses<T>(items: readonly T[], size: number): T[][] {
  const passes = Array.from({ length: Math.max(1, Math.ceil(items.length / size)) }, (_, i) => i * size);
  return passes.map((first) => items.slice(first, first + size));
}

/** Learned targets of some rows. */
export function countTargets(rows: readonly TrainingRow[]): number {
  return rows.reduce((sum, row) => sum + row.learned.reduce((a, b) => a + b, 0), 0);
}

export function countTokens(rows: readonly TrainingRow[]): number {
  return rows.reduce((sum, row) => sum + row.ids.length, 0);
}

/**
 * The sequences of a micro-batch for the engine, each learned target weighing `weight` in the loss. Packed rows come
 * apart into their sequences: on the token axis every sequence is a row of its own.
 */
export function toBatchRows(rows: readonly TrainingRow[], weight: number): BatchRow[] {
  return rows.flatMap((row) => {
    let at = 0;
    return row.lengths.map((length, i) => {
      const ids = row.ids.subarray(at, at + length);
      const learned = row.learned.subarray(at, at + length);
      at += length;
      const targets = Array.from(learned.keys()).filter((t) => t > 0 && learned[t] === 1);
      const key = keyOf(row, i);
      return { ids, key, targets, weights: targets.map(() => weight) };
    });
  });
}

/**
 * What seeds dropout and noise: the row of the file, so that packing it with others changes nothing. Only where sequences
 * and rows do not pair up (pieces of cut rows, wrapped text) does the place in the packed row tell sequences apart.
 */
function keyOf({ lengths, rowIndices }: TrainingRow, sequence: number): number {
  const [first = 0] = rowIndices;
  const own = lengths.length === rowIndices.length ? rowIndices[sequence] : undefined;
  return (own ?? (first + 1) * 65_536 + sequence) >>> 0;
}

/** What any micro-batch of `batchSize` of these rows can need at most, whatever the order. */
export function capacityFor(rows: readonly TrainingRow[], batchSize: number): Capacity {
  const largest = (of: (row: TrainingRow) => number) =>
    rows
      .map(of)
      .sort((a, b) => b - a)
      .slice(0, batchSize)
      .reduce((a, b) => a + b, 0);
  return {
    N: Math.max(
      1,
      largest((row) => row.ids.length),
    ),
    M: Math.max(
      1,
      largest((row) => countTargets([row])),
    ),
    R: Math.max(
      1,
      largest((row) => row.lengths.length),
    ),
  };
}

/** How the rows of an optimizer step are cut. */
export function batchShape(
  config: Pick<CommonConfig, "batch_size" | "gradient_accumulation_steps">,
): BatchShape {
  return { batchSize: config.batch_size, gradientAccumulationSteps: config.gradient_accumulation_steps };
}

/** Optimizer steps of a run over these rows. Throws `dataset-invalid` when there is none. */
export function stepsOfRun(rows: Pick<TrainRows<unknown>, "count">, config: CommonConfig): number {
  if (rows.count === 0) throw new AppError("dataset-invalid", "There is no row to train on.");
  return totalSteps(
    { rows: rows.count, ...batchShape(config) },
    config.num_epochs,
    config.max_steps ?? undefined,
  );
}
