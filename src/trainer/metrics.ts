import type { StepReport } from "./report.ts";

/** One optimizer step as it enters the log. */
export interface StepRecord {
  readonly step: number;
  readonly report: StepReport;
  readonly learningRate: number;
  readonly epoch: number;
  /** Tokens read since the start of the run, this step included. */
  readonly numTokens: number;
  /** What the host knew of the step; see DoneStep.values. */
  readonly values?: Readonly<Record<string, number>> | undefined;
}

/**
 * The log line of the steps since the last one, under trl's names: `loss` is the mean over steps of the sum over
 * micro-batches; `entropy` and `mean_token_accuracy` are plain means over micro-batches (those without targets have none);
 * `grad_norm` (before clipping), `learning_rate` (the one used), `epoch` and `num_tokens` are the last step's.
 * Values that are not finite stay so: nothing is filtered.
 */
export function sftLogValues(records: readonly StepRecord[]): Record<string, number> {
  const last = records.at(-1);
  if (!last) return {};
  const micros = records.flatMap(({ report }) => report.micros).filter((micro) => micro.live > 0);
  const losses = records.map(({ report }) => report.micros.reduce((sum, micro) => sum + micro.loss, 0));
  return {
    loss: mean(losses),
    grad_norm: last.report.gradNorm,
    learning_rate: last.learningRate,
    epoch: last.epoch,
    num_tokens: last.numTokens,
    mean_token_accuracy: mean(micros.map((micro) => micro.correct / micro.live)),
    entropy: mean(micros.map((micro) => micro.entropy / micro.live)),
  };
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((a, b) => a + b, 0) / values.length;
}

/** The mean of each value over those of the list that have it. */
export function meanByName(list: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = [...new Set(list.flatMap((values) => Object.keys(values)))];
  return Object.fromEntries(
    names.map((name) => [name, mean(list.flatMap((values) => (name in values ? [values[name] ?? 0] : [])))]),
  );
}
