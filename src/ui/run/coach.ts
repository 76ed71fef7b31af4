import type { MetricRow } from "../../protocol/messages.ts";
import { nonFiniteSteps, pointsOf } from "../../store/metric_rows.ts";
import { smooth, smoothingFor } from "../chart/series.ts";
import { formatMetric, plural } from "../format.ts";

const RISES = 3;
const EXPLODED = 3;
const ENOUGH = 5;

/** How often in a row the last evaluations rose, and since which step. */
export function risingSince(
  rows: readonly MetricRow[],
  metric: string,
): { step: number; times: number } | null {
  const points = pointsOf(rows, metric);
  let at = points.length - 1;
  while (at > 0 && (points[at]?.value ?? 0) > (points[at - 1]?.value ?? 0)) at--;
  const best = points[at];
  const times = points.length - 1 - at;
  return best && times > 0 ? { step: best.step, times } : null;
}

/** One sentence on how the run goes, from what was measured. `opening` stands until there is something to say. */
export function coachLine(rows: readonly MetricRow[], opening: string): string {
  const bad = nonFiniteSteps(rows, "loss");
  if (bad.length > 0)
    return `The loss was not a number in ${plural(bad.length, "step")}, first at step ${bad[0]}. A lower learning rate usually helps.`;
  const points = pointsOf(rows, "loss");
  const loss = smooth(points, smoothingFor(points.length));
  const first = loss[0];
  const last = loss.at(-1);
  if (!first || !last || loss.length < ENOUGH) return opening;
  const rising = risingSince(rows, "eval_loss");
  if (rising && rising.times >= RISES)
    return `The held-out loss has risen since step ${rising.step}: the model starts to learn the examples by heart. The checkpoint near that step is the best.`;
  const lowest = loss.reduce((a, b) => (b.value < a.value ? b : a));
  if (lowest.value > 0 && last.value > EXPLODED * lowest.value)
    return `The loss is ${formatMetric(last.value)}, more than three times its lowest (${formatMetric(lowest.value)} at step ${lowest.step}). Try a lower learning rate.`;
  if (last.value < 0.98 * first.value) {
    const ends = lossBeforeAfter(rows);
    return `Loss has fallen from ${formatMetric(ends?.before)} to ${formatMetric(ends?.after)}. ${opening}`;
  }
  return `Loss has stayed near ${formatMetric(last.value)} for ${plural(last.step - first.step, "step")}. A higher learning rate may help. ${opening}`;
}

/** Loss at the beginning and at the end of a run, for the sentence that says it is done. */
export function lossBeforeAfter(rows: readonly MetricRow[]): { before: number; after: number } | null {
  const loss = pointsOf(rows, "loss");
  const before = loss[0]?.value;
  const after = loss.at(-1)?.value;
  return before === undefined || after === undefined || loss.length < 2 ? null : { before, after };
}
