import type { DataCursor } from "./batches.ts";
import type { TrainRows } from "./train_rows.ts";

/** The next prompts of the stream. */
export interface PromptBatch<T> {
  /** Each to be answered by one group of completions. */
  readonly rows: readonly T[];
  /** Where the stream stands after them. */
  readonly next: DataCursor;
  readonly notes: readonly string[];
}

/**
 * The next `count` prompts from a cursor on, without end: where an epoch runs out, the next one's order goes on in the
 * same batch, so that every rollout is full and no prompt is passed over. Throws as TrainRows.take.
 */
export async function nextPrompts<T>(
  prompts: Pick<TrainRows<T>, "take">,
  count: number,
  from: DataCursor = { epoch: 0, position: 0 },
): Promise<PromptBatch<T>> {
  const rows: T[] = [];
  const notes: string[] = [];
  let next = from;
  while (rows.length < count) {
    const taken = await prompts.take(next, count - rows.length);
    rows.push(...taken.rows);
    notes.push(...taken.notes);
    next = taken.next;
  }
  return { rows, next, notes };
}
