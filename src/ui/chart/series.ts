import type { Point } from "../../store/metric_rows.ts";

/** One metric of a chart. */
export interface Metric {
  readonly name: string;
  readonly title: string;
  readonly points: readonly Point[];
  readonly colour: number;
  /** Drawn raw and averaged: for values that jump from step to step. */
  readonly smoothed?: boolean;
  /** Measured now and then: points with a dashed line. */
  readonly sparse?: boolean;
  /** How far single values lie from this mean, by step: drawn as a band round it. */
  readonly spread?: Spread;
}

export interface Spread {
  readonly name: string;
  readonly points: readonly Point[];
}

/** Both edges of a band: the mean with the spread of the same step added and taken away. */
export function bandOf(
  points: readonly Point[],
  spread: Spread,
): { readonly upper: readonly Point[]; readonly lower: readonly Point[] } {
  const widths = new Map(spread.points.map(({ step, value }) => [step, value]));
  const edge = (sign: number): readonly Point[] =>
    points.flatMap(({ step, value }) => {
      const width = widths.get(step);
      return width === undefined ? [] : [{ step, value: value + sign * width }];
    });
  return { upper: edge(1), lower: edge(-1) };
}

/** What is written down of a chart: each metric, and its spread beside it. */
export const columnsOf = (metrics: readonly Metric[]): readonly Pick<Metric, "name" | "title" | "points">[] =>
  metrics.flatMap(({ name, title, points, spread }) => [
    { name, title, points },
    ...(spread ? [{ name: spread.name, title: `± ${title.toLowerCase()}`, points: spread.points }] : []),
  ]);

/** How much of the average is old, by the length of the run: a short run must not lag behind itself. */
export function smoothingFor(steps: number): number {
  if (steps <= 128) return 0.6;
  return steps <= 1000 ? 0.8 : 0.95;
}

/**
 * Exponential moving average, corrected for its start: the first value is the first point and not a share of it
 * (Kingma and Ba 2015, section 3).
 */
export function smooth(points: readonly Point[], keep: number): readonly Point[] {
  let sum = 0;
  let weight = 0;
  return points.map(({ step, value }) => {
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return { step, value: sum / weight };
  });
}

/** Columns of one chart over the union of their steps, as uPlot takes them: null where a series has no point. */
export function align(columns: readonly (readonly Point[])[]): {
  readonly steps: number[];
  readonly values: (number | null)[][];
} {
  const steps = [...new Set(columns.flatMap((points) => points.map(({ step }) => step)))].sort(
    (a, b) => a - b,
  );
  const row = new Map(steps.map((step, i) => [step, i]));
  const values = columns.map((points) => {
    const column: (number | null)[] = steps.map(() => null);
    for (const { step, value } of points) column[row.get(step) ?? 0] = value;
    return column;
  });
  return { steps, values };
}

/** The trend of a series in a sentence: what a chart says, without the chart. */
export function trend(title: string, points: readonly Point[], format: (value: number) => string): string {
  const [first] = points;
  const last = points.at(-1);
  if (!first || !last) return `${title} has no points yet.`;
  if (points.length === 1) return `${title} is ${format(first.value)} at step ${first.step}.`;
  const change = last.value - first.value;
  const steady = Math.abs(change) <= 0.01 * Math.max(Math.abs(first.value), Math.abs(last.value));
  const verb = steady ? "stayed near" : change < 0 ? "fell from" : "rose from";
  if (steady) return `${title} ${verb} ${format(last.value)} from step ${first.step} to step ${last.step}.`;
  return `${title} ${verb} ${format(first.value)} at step ${first.step} to ${format(last.value)} at step ${last.step}.`;
}

/** At most `most` of the items, evenly taken, the first and the last among them. */
export function sampled<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  const picked: T[] = [];
  for (let i = 0; i < most; i++) {
    const item = items[Math.round((i * (items.length - 1)) / (most - 1))];
    if (item !== undefined) picked.push(item);
  }
  return picked;
}

/** Values that differ by less than this, relative to their size, are one value: axes cannot tell them apart. */
const SAME = 1e-6;

/** The range of a chart: the data with 8 % of room on both sides. */
export function paddedRange(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max)) return [0, 1];
  const size = Math.max(Math.abs(min), Math.abs(max));
  const span = max - min > SAME * size ? max - min : size || 1;
  return [min - 0.08 * span, max + 0.08 * span];
}
