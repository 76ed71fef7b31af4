import { type BatchShape, type DataCursor, type OptimizerStep, takeStep } from "../../../src/data/batches.ts";
import type { TrainRows } from "../../../src/data/train_rows.ts";

/** The rows of some optimizer steps, one after the other. */
export async function takeSteps<T>(
  rows: TrainRows<T>,
  shape: BatchShape,
  count: number,
  from: DataCursor = { epoch: 0, position: 0 },
): Promise<OptimizerStep<T>[]> {
  const steps: OptimizerStep<T>[] = [];
  for (let cursor = from; steps.length < count; cursor = steps.at(-1)?.next ?? from) {
    steps.push(await takeStep(rows, shape, cursor));
  }
  return steps;
}
