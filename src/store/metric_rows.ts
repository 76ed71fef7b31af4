import type { MetricRow } from "../protocol/runs.ts";

/** One point of a metric. */
export interface Point {
  readonly step: number;
  readonly value: number;
}

const joined = (a: MetricRow, b: MetricRow): MetricRow => ({
  step: a.step,
  values: { ...a.values, ...b.values },
  nonFinite: [...new Set([...a.nonFinite, ...b.nonFinite])],
});

/**
 * Rows in step order, one for each step. Rows of the same step are one: training and evaluation report apart, and a run
 * that goes on from a checkpoint repeats its last steps.
 */
export function mergeRows(old: readonly MetricRow[], more: readonly MetricRow[]): readonly MetricRow[] {
  if (more.length === 0) return old;
  const rows = [...old];
  for (const row of more) {
    let at = rows.length;
    while (at > 0 && (rows[at - 1]?.step ?? -1) > row.step) at--;
    const before = rows[at - 1];
    if (before?.step === row.step) rows[at - 1] = joined(before, row);
    else rows.splice(at, 0, row);
  }
  return rows;
}

/** Rows up to a step: what a run that goes on from there still has. */
export const rowsUpTo = (rows: readonly MetricRow[], step: number): readonly MetricRow[] =>
  rows.filter((row) => row.step <= step);

/** The finite values of a metric, in step order. */
export function pointsOf(rows: readonly MetricRow[], metric: string): readonly Point[] {
  const points: Point[] = [];
  for (const { step, values } of rows) {
    const value = values[metric];
    if (typeof value === "number" && Number.isFinite(value)) points.push({ step, value });
  }
  return points;
}

/** Steps at which a metric was not a number or infinite. */
export const nonFiniteSteps = (rows: readonly MetricRow[], metric: string): readonly number[] =>
  rows.filter((row) => row.nonFinite.includes(metric)).map((row) => row.step);

/** Every metric that some row has. */
export function metricNames(rows: readonly MetricRow[]): readonly string[] {
  const names = new Set<string>();
  for (const row of rows) for (const name of Object.keys(row.values)) names.add(name);
  return [...names];
}
