import type { AlgorithmInfo, HeroChart } from "../../protocol/catalog.ts";
import type { MetricRow } from "../../protocol/runs.ts";
import { metricNames, nonFiniteSteps, pointsOf } from "../../store/metric_rows.ts";
import type { RunView } from "../../store/runs.ts";
import type { Mark } from "../chart/plot.ts";
import type { Metric } from "../chart/series.ts";
import { formatCount, formatMetric, formatRate, metricName } from "../format.ts";

/** Which of a run's metrics stand where, and how they are drawn. */

const LOSS_CHART: HeroChart = {
  title: "Loss",
  metrics: [{ metric: "loss", title: "Loss", better: "lower" }],
};

/** The charts that are shown large. A method that is not known any more is shown by its loss. */
export const heroCharts = (algorithm: AlgorithmInfo | undefined): readonly HeroChart[] =>
  algorithm?.hero ?? [LOSS_CHART];

const isEvaluated = (metric: string): boolean => metric.startsWith("eval_");

/** The lines of a large chart; one that has no points yet is left out, unless it is the first. */
export const linesFor = (rows: readonly MetricRow[], { metrics }: HeroChart): readonly Metric[] =>
  metrics
    .map(({ metric, title, spread }, i) => ({
      name: metric,
      title,
      points: pointsOf(rows, metric),
      colour: i + 1,
      smoothed: i === 0,
      sparse: isEvaluated(metric),
      ...(spread === undefined ? {} : { spread: { name: spread, points: pointsOf(rows, spread) } }),
    }))
    .filter(({ points }, i) => i === 0 || points.length > 0);

/** What happened during a run, on a chart of these metrics: checkpoints, and values that were no numbers. */
export function marksFor({ rows, checkpoints }: RunView, metrics: readonly string[]): readonly Mark[] {
  const bad = new Set(metrics.flatMap((metric) => nonFiniteSteps(rows, metric)));
  return [
    ...checkpoints.map(({ step }) => ({ step, kind: "checkpoint" as const })),
    ...[...bad].map((step) => ({ step, kind: "not-finite" as const })),
  ];
}

const UNITS: Readonly<Record<string, string>> = { step_time: "seconds", num_tokens: "tokens" };
export const unitOf = (metric: string): string | undefined =>
  UNITS[metric] ?? (/(^|\/)(mean|min|max)(_terminated)?_length$/.test(metric) ? "tokens" : undefined);

export function formatOf(metric: string): (value: number) => string {
  if (metric === "learning_rate") return formatRate;
  if (metric === "tokens_per_second" || metric === "num_tokens") return formatCount;
  return formatMetric;
}

const COLOURS: Readonly<Record<string, number>> = { learning_rate: 3, grad_norm: 4, tokens_per_second: 7 };
const PLAIN = new Set(["learning_rate", "num_tokens"]);

/** One metric as the only line of a chart. */
export const lineFor = (rows: readonly MetricRow[], metric: string): Metric => ({
  name: metric,
  title: metricName(metric),
  points: pointsOf(rows, metric),
  colour: COLOURS[metric] ?? 8,
  smoothed: !PLAIN.has(metric) && !isEvaluated(metric),
  sparse: isEvaluated(metric),
});

const NOT_SHOWN = new Set(["epoch", "global_step", "step", "num_targets", "eval_num_targets"]);

/** Every metric that has something to show and that is not among those drawn elsewhere. */
export function otherMetrics(rows: readonly MetricRow[], drawn: ReadonlySet<string>): readonly string[] {
  return metricNames(rows).filter(
    (name) =>
      !NOT_SHOWN.has(name) &&
      !drawn.has(name) &&
      (pointsOf(rows, name).length > 0 || nonFiniteSteps(rows, name).length > 0),
  );
}

/** What the large charts draw. */
export const drawnBy = (charts: readonly HeroChart[]): ReadonlySet<string> =>
  new Set(charts.flatMap(({ metrics }) => metrics.map(({ metric }) => metric)));

const GROUP_TITLES: Readonly<Record<string, string>> = {
  "": "Training",
  rewards: "Rewards",
  completions: "Answers",
  clip_ratio: "Clipping",
  objective: "Objective",
  policy: "Policy",
  loss: "Parts of the loss",
  val: "Value model",
  logps: "Log-probabilities",
  logits: "Logits",
  sampling: "Sampling",
  eval: "Held out",
};
const GROUP_ORDER = Object.keys(GROUP_TITLES);
/** Metrics without a prefix that belong to the rewards all the same. */
const REWARD_NAMES = new Set(["reward", "reward_std", "frac_reward_zero_std"]);

function groupOf(metric: string): string {
  if (isEvaluated(metric)) return "eval";
  if (REWARD_NAMES.has(metric)) return "rewards";
  return metric.includes("/") ? metric.slice(0, metric.indexOf("/")) : "";
}

export interface MetricGroup {
  readonly title: string;
  readonly metrics: readonly string[];
}

/** Metrics by the part of the name before the slash, in the order in which people look for them. */
export function groupMetrics(metrics: readonly string[]): readonly MetricGroup[] {
  const groups = new Map<string, string[]>();
  for (const metric of metrics) {
    const group = groupOf(metric);
    groups.set(group, [...(groups.get(group) ?? []), metric]);
  }
  const place = (group: string): number => {
    const at = GROUP_ORDER.indexOf(group);
    return at < 0 ? GROUP_ORDER.length : at;
  };
  return [...groups]
    .sort(([a], [b]) => place(a) - place(b))
    .map(([group, names]) => ({ title: GROUP_TITLES[group] ?? metricName(group), metrics: names }));
}

/** The name of a metric inside its group, which need not say the group again. */
export const nameInGroup = (metric: string): string =>
  metricName(isEvaluated(metric) || !metric.includes("/") ? metric : metric.slice(metric.indexOf("/") + 1));

/** Most tokens of an answer, as the configuration that ran says. */
export function maxCompletionOf(configYaml: string | null): number | null {
  const found = /^max_completion_length: (\d+)$/m.exec(configYaml ?? "")?.[1];
  return found === undefined ? null : Number(found);
}
