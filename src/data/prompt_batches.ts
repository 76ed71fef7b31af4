import { AppError } from "../lib/errors.ts";
import { type DataCursor, epochOrder, type SamplingStrategy } from "./batches.ts";

export interface PromptStreamOptions {
  /** Number of prompts. */
  readonly rows: number;
  /** Prompts of one rollout: the unit of group_by_length. */
  readonly promptsPerRollout: number;
  readonly strategy: SamplingStrategy;
  readonly seed: number;
  /** Tokens of each prompt; needed for group_by_length. */
  readonly lengths?: readonly number[];
}

/** The next prompts of the stream. */
export interface PromptBatch {
  /** Row numbers, each to be answered by one group of completions. */
  readonly rows: readonly number[];
  /** Where the stream stands after them. */
  readonly next: DataCursor;
  /** Epochs done after them, with fraction, for the log. */
  readonly epochsDone: number;
}

/**
 * The next `count` prompts from a cursor on, without end: where an epoch runs out, the next one's order goes on in the
 * same batch, so that every rollout is full and no prompt is passed over. The order of an epoch depends on (seed, epoch)
 * alone: a checkpoint keeps the cursor only. Throws `dataset-invalid`, `config-invalid`.
 */
export function nextPrompts(
  options: PromptStreamOptions,
  count: number,
  from: DataCursor = { epoch: 0, position: 0 },
): PromptBatch {
  if (options.rows < 1) {
    throw new AppError(
      "dataset-invalid",
      "No prompt is left to answer. See which rows were left out and why.",
    );
  }
  const rows: number[] = [];
  let { epoch, position } = from;
  while (rows.length < count) {
    const taken = orderOf(options, epoch).slice(position, position + count - rows.length);
    rows.push(...taken);
    position += taken.length;
    if (position < options.rows) continue;
    epoch += 1;
    position = 0;
  }
  return { rows, next: { epoch, position }, epochsDone: epoch + position / options.rows };
}

/** Rollouts of a whole run over all prompts `epochs` times; the last one may reach into a further epoch. */
export function rolloutsOfRun(
  { rows, promptsPerRollout }: Pick<PromptStreamOptions, "rows" | "promptsPerRollout">,
  epochs: number,
): number {
  return Math.max(1, Math.ceil((epochs * rows) / promptsPerRollout));
}

function orderOf({ promptsPerRollout, ...options }: PromptStreamOptions, epoch: number): number[] {
  return epochOrder({ ...options, batchSize: promptsPerRollout, gradientAccumulationSteps: 1 }, epoch);
}
