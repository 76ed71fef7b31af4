import type { AlgorithmInfo, HeroMetric } from "../protocol/catalog.ts";
import type { MetricRow } from "../protocol/runs.ts";
import { pointsOf } from "./metric_rows.ts";

const LOSS: HeroMetric = { metric: "loss", title: "Loss", better: "lower" };

/** The one number that says how a run of this method goes. */
export const headlineOf = (algorithm: AlgorithmInfo | undefined): HeroMetric =>
  algorithm?.hero[0]?.metrics[0] ?? LOSS;

/** Steps over which a beginning and an end are averaged: a reward jumps from step to step, a loss much less. */
const OVER = 5;

export interface BeforeAfter {
  readonly before: number;
  readonly after: number;
  /** Steps that each of the two is the mean of. */
  readonly over: number;
}

/** A metric at the beginning and at the end of a run; null for a run of one step. */
export function beforeAfter(rows: readonly MetricRow[], { metric }: HeroMetric): BeforeAfter | null {
  const values = pointsOf(rows, metric).map(({ value }) => value);
  if (values.length < 2) return null;
  const over = metric === "loss" ? 1 : Math.max(1, Math.min(OVER, Math.floor(values.length / 2)));
  const mean = (part: readonly number[]): number => part.reduce((sum, value) => sum + value, 0) / part.length;
  return { before: mean(values.slice(0, over)), after: mean(values.slice(-over)), over };
}
