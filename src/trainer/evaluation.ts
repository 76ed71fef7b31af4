import type { TrainingRow } from "../data/packed_rows.ts";
import type { Engine } from "./engine.ts";
import { countTargets, toBatchRows } from "./micro_batch.ts";

/**
 * Loss and accuracy over rows that do not train: means over all their learned targets, so that neither the batch size nor
 * the order matters. `slots` is how many batches the report holds. Keys are trl's with `eval_` before them.
 */
export async function evaluateRows(
  engine: Engine,
  rows: readonly TrainingRow[],
  batchSize: number,
  slots: number,
): Promise<Record<string, number>> {
  const sums = { loss: 0, entropy: 0, correct: 0 };
  const batches: TrainingRow[][] = [];
  for (let i = 0; i < rows.length; i += batchSize) batches.push(rows.slice(i, i + batchSize));
  for (let first = 0; first < batches.length; first += slots) {
    const group = batches.slice(first, first + slots);
    group.forEach((batch, slot) => {
      engine.evaluate(toBatchRows(batch, 1), slot);
    });
    const report = await engine.readEvaluation(group.length);
    for (const micro of report.micros) {
      sums.loss += micro.loss;
      sums.entropy += micro.entropy;
      sums.correct += micro.correct;
    }
  }
  const targets = countTargets(rows);
  return {
    eval_loss: sums.loss / targets,
    eval_entropy: sums.entropy / targets,
    eval_mean_token_accuracy: sums.correct / targets,
  };
}
