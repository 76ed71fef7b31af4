import type { MetricRow } from "../../protocol/runs.ts";
import { type Point, pointsOf } from "../../store/metric_rows.ts";
import { formatCount, formatMetric, formatPercent, plural } from "../format.ts";

/** What goes wrong when a model learns from rewards, and what helps. */

/** What a coach may know of a run beside its numbers. */
export interface CoachFacts {
  /** Most tokens of an answer; null where it is not known. */
  readonly maxCompletion: number | null;
}

/** Steps that a value is averaged over before it is judged: one bad step is no trend. */
const LAST = 3;
const NO_SIGNAL_STEPS = 5;
const CUT_SHARE = 0.5;
/** An entropy of less than this, in nats a token, and than this share of the first: the model always says the same. */
const CERTAIN = 0.05;
const CERTAIN_SHARE = 0.1;
const RUNAWAY = 10;
const MOST_RATIO = 2;
const LEAST_RATIO = 0.5;

const mean = (points: readonly Point[]): number =>
  points.reduce((sum, { value }) => sum + value, 0) / points.length;

/** The mean of the last values of a metric; null when there are too few to say. */
function recent(rows: readonly MetricRow[], metric: string): number | null {
  const points = pointsOf(rows, metric);
  return points.length < LAST ? null : mean(points.slice(-LAST));
}

/** For how many logged steps in a row up to the last one a metric has had a value. */
export function runOf(rows: readonly MetricRow[], metric: string, value: number): number {
  const points = pointsOf(rows, metric);
  const other = points.findLastIndex((point) => point.value !== value);
  return points.length - 1 - other;
}

/** The most pressing thing to say of a run with rewards; null when all is well. */
export function rewardWarning(rows: readonly MetricRow[], facts: CoachFacts): string | null {
  return noSignal(rows) ?? cutAnswers(rows, facts) ?? ratioAway(rows) ?? klRunaway(rows) ?? certain(rows);
}

function noSignal(rows: readonly MetricRow[]): string | null {
  const steps = runOf(rows, "frac_reward_zero_std", 1);
  if (steps < NO_SIGNAL_STEPS) return null;
  return `Every answer in each group has had the same score for ${plural(steps, "step")}, so there is no signal. If the reward is at its best, the run is done; else try a finer reward, a higher temperature or easier prompts.`;
}

function cutAnswers(rows: readonly MetricRow[], { maxCompletion }: CoachFacts): string | null {
  const share = recent(rows, "completions/clipped_ratio");
  if (share === null || share <= CUT_SHARE) return null;
  const limit = maxCompletion === null ? "length limit" : `${formatCount(maxCompletion)}-token limit`;
  return `${formatPercent(share)} of the answers hit the ${limit} and were cut off. Raise “Longest answer”, or reward shorter ones.`;
}

function ratioAway(rows: readonly MetricRow[]): string | null {
  const ratio = recent(rows, "val/ratio");
  if (ratio === null || (ratio <= MOST_RATIO && ratio >= LEAST_RATIO)) return null;
  return `The new policy is ${formatMetric(ratio)} times as likely to say what it said as the old one; this should float around 1. Lower the learning rate, or make fewer passes over a rollout.`;
}

/** Distances below these, in nats, are small whatever they grew from: of a token on average, and of a whole answer. */
const KL_FLOORS = [
  ["kl", 0.1],
  ["objective/kl", 5],
] as const;

function klRunaway(rows: readonly MetricRow[]): string | null {
  for (const [metric, floor] of KL_FLOORS) {
    const points = pointsOf(rows, metric);
    if (points.length <= 2 * LAST) continue;
    const now = mean(points.slice(-LAST));
    const earlier = points.slice(0, -LAST).map(({ value }) => value);
    const median = earlier.toSorted((a, b) => a - b)[Math.floor(earlier.length / 2)] ?? 0;
    if (now > floor && now > RUNAWAY * Math.max(median, 0))
      return `The distance from the reference has jumped to ${formatMetric(now)}, more than ten times what it was. The model may forget how to write: lower the learning rate, or weigh the distance more.`;
  }
  return null;
}

function certain(rows: readonly MetricRow[]): string | null {
  for (const metric of ["entropy", "policy/entropy_avg"]) {
    const points = pointsOf(rows, metric);
    if (points.length <= 2 * LAST) continue;
    const first = mean(points.slice(0, LAST));
    const now = mean(points.slice(-LAST));
    if (now < CERTAIN && now < CERTAIN_SHARE * first)
      return `The model has become certain of every word (entropy ${formatMetric(now)}, from ${formatMetric(first)}): its answers hardly differ any more. If the reward is at its best, stop here; else go back to an earlier checkpoint with a higher temperature or an entropy bonus.`;
  }
  return null;
}
