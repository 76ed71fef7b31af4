import { AppError } from "../lib/errors.ts";
import { hash, Random } from "../lib/random.ts";
import type { TrainRows } from "./train_rows.ts";

export type SamplingStrategy = "random" | "sequential" | "group_by_length";

export interface OrderOptions {
  /** Number of rows (examples, or packed rows). */
  readonly rows: number;
  /** The unit of group_by_length. */
  readonly batchSize: number;
  readonly strategy: SamplingStrategy;
  readonly seed: number;
  /** Tokens of each row; needed for group_by_length. */
  readonly lengths?: readonly number[];
}

/** How the rows of an optimizer step are cut. */
export interface BatchShape {
  readonly batchSize: number;
  readonly gradientAccumulationSteps: number;
}

/** Where training stands in the data: all that a checkpoint keeps of it. */
export interface DataCursor {
  readonly epoch: number;
  /** Rows of this epoch that are used up. */
  readonly position: number;
}

/** What one optimizer step reads. */
export interface OptimizerStep<T> {
  readonly epoch: number;
  /** Micro-batches; the last window of an epoch may hold fewer, its last batch fewer rows. */
  readonly batches: readonly (readonly T[])[];
  /** The cursor once this step is done. */
  readonly next: DataCursor;
  /** Epochs done after this step, with fraction, for the log. */
  readonly epochsDone: number;
  readonly notes: readonly string[];
}

/** Distinguishes the order of rows from every other use of the seed. */
const STREAM = 0x6f726472;

/** The rows of the optimizer step that a cursor stands before. Batches never span epochs. Throws as TrainRows.take. */
export async function takeStep<T>(
  rows: Pick<TrainRows<T>, "take" | "count">,
  shape: BatchShape,
  from: DataCursor,
): Promise<OptimizerStep<T>> {
  check(shape);
  const { rows: taken, next, notes } = await rows.take(from, windowOf(shape));
  // A stream may have found nothing usable in what was left of an epoch, and gone on to the next.
  const epochsDone = next.position === 0 ? next.epoch : next.epoch + next.position / rows.count;
  return {
    ...{ next, notes, epochsDone, batches: chunks(taken, shape.batchSize) },
    epoch: next.position === 0 ? next.epoch - 1 : next.epoch,
  };
}

/** Rows of an optimizer step. */
export const windowOf = ({ batchSize, gradientAccumulationSteps }: BatchShape): number =>
  batchSize * gradientAccumulationSteps;

/** The order of rows in an epoch. Throws `config-invalid`. */
export function epochOrder(options: OrderOptions, epoch: number): number[] {
  if (options.strategy === "sequential") return Array.from({ length: options.rows }, (_, i) => i);
  const order = new Random(options.seed, hash(STREAM, epoch)).permutation(options.rows);
  return options.strategy === "random" ? order : grouped(order, options);
}

/** Optimizer steps of one epoch: ceil(batches / gradient_accumulation_steps), as transformers' Trainer. */
export function stepsPerEpoch(options: BatchShape & { readonly rows: number }): number {
  const batches = Math.ceil(options.rows / options.batchSize);
  return Math.max(1, Math.ceil(batches / options.gradientAccumulationSteps));
}

/** Optimizer steps of a whole run; max_steps wins over epochs when it is given and above 0. */
export function totalSteps(
  options: BatchShape & { readonly rows: number },
  epochs: number,
  maxSteps: number | undefined,
): number {
  if (maxSteps !== undefined && maxSteps > 0) return maxSteps;
  return Math.ceil(epochs * stepsPerEpoch(options));
}

/**
 * Rows of like length together (transformers `get_length_grouped_indices`): the random order is cut into groups of up
 * to 50 batches, each sorted by falling length; the longest row of all comes first, so that memory runs out at once
 * or never.
 */
function grouped(order: readonly number[], { lengths, batchSize }: OrderOptions): number[] {
  if (lengths === undefined || lengths.length !== order.length) {
    throw new AppError("config-invalid", "group_by_length needs the token count of every row.");
  }
  const length = (row: number | undefined) => (row === undefined ? 0 : (lengths[row] ?? 0));
  const batches = Math.max(1, Math.min(Math.floor(order.length / (batchSize * 4)), 50));
  const groups = chunks(order, batches * batchSize).map((group) =>
    group.toSorted((a, b) => length(b) - length(a)),
  );
  const first = groups[0];
  if (!first) return [];
  const longest = groups.reduce((best, group) => (length(group[0]) > length(best[0]) ? group : best), first);
  [first[0], longest[0]] = [longest[0] ?? 0, first[0] ?? 0];
  return groups.flat();
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < list.length; i += size) parts.push(list.slice(i, i + size));
  return parts;
}

function check({ batchSize, gradientAccumulationSteps }: BatchShape): void {
  for (const [name, value] of Object.entries({
    batch_size: batchSize,
    gradient_accumulation_steps: gradientAccumulationSteps,
  })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new AppError("config-invalid", `${name} must be a whole number of at least 1; it is ${value}.`);
    }
  }
}
