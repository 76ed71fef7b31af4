import type { AlgorithmInfo } from "../../protocol/catalog.ts";
import type { MetricRow } from "../../protocol/runs.ts";
import { beforeAfter, headlineOf } from "../../store/headline.ts";
import { nonFiniteSteps, pointsOf } from "../../store/metric_rows.ts";
import { smooth, smoothingFor } from "../chart/series.ts";
import { formatMetric, formatPercent, plural } from "../format.ts";
import { type CoachFacts, rewardWarning } from "./reward_coach.ts";

const TURNS = 3;
const EXPLODED = 3;
const ENOUGH = 5;

/** How often in a row the last evaluations got worse, and since which step. */
export function worseSince(
  rows: readonly MetricRow[],
  metric: string,
  better: "lower" | "higher" | "neither",
): { step: number; times: number } | null {
  const points = pointsOf(rows, metric);
  const sign = better === "lower" ? 1 : better === "higher" ? -1 : 0;
  let at = points.length - 1;
  while (at > 0 && sign * ((points[at]?.value ?? 0) - (points[at - 1]?.value ?? 0)) > 0) at--;
  const best = points[at];
  const times = points.length - 1 - at;
  return best && times > 0 ? { step: best.step, times } : null;
}

/** One sentence on how the run goes, from what was measured. The method's own stands until there is something to say. */
export function coachLine(
  rows: readonly MetricRow[],
  method: AlgorithmInfo | undefined,
  facts: CoachFacts = { maxCompletion: null },
): string {
  const bad = nonFiniteSteps(rows, "loss");
  if (bad.length > 0)
    return `The loss was not a number in ${plural(bad.length, "step")}, first at step ${bad[0]}. A lower learning rate usually helps.`;
  const warning = method?.data === "prompts" ? rewardWarning(rows, facts) : null;
  if (warning !== null) return warning;
  return overfitLine(rows, method) ?? courseLine(rows, method);
}

const CAUSES = {
  loss: "the model starts to learn the examples by heart",
  other: "it learns these rows by heart",
};

function overfitLine(rows: readonly MetricRow[], method: AlgorithmInfo | undefined): string | null {
  const { metric, title, better } = headlineOf(method);
  const held = worseSince(rows, `eval_${metric}`, better);
  if (held === null || held.times < TURNS || pointsOf(rows, metric).length < ENOUGH) return null;
  const verb = better === "lower" ? "risen" : "fallen";
  const cause = metric === "loss" ? CAUSES.loss : CAUSES.other;
  return `The held-out ${title.toLowerCase()} has ${verb} since step ${held.step}: ${cause}. The checkpoint near that step is the best.`;
}

function courseLine(rows: readonly MetricRow[], method: AlgorithmInfo | undefined): string {
  const opening = method?.coach ?? "";
  const hero = headlineOf(method);
  const points = pointsOf(rows, hero.metric);
  if (points.length < ENOUGH) return opening;
  if (hero.metric === "loss") return lossLine(rows, opening);
  if (hero.metric === "rewards/accuracies") return pairsLine(rows, method, opening);
  const ends = beforeAfter(rows, hero);
  if (!ends) return opening;
  const [before, after] = [formatMetric(ends.before), formatMetric(ends.after)];
  const scale = Math.max(Math.abs(ends.before), Math.abs(ends.after));
  if (Math.abs(ends.after - ends.before) <= 0.02 * scale)
    return `${hero.title} has stayed near ${after} for ${plural(points.length, "step")}. A higher learning rate, or more answers a prompt, may help. ${opening}`;
  return `${hero.title} has ${ends.after > ends.before ? "risen" : "fallen"} from ${before} to ${after}. ${opening}`;
}

function lossLine(rows: readonly MetricRow[], opening: string): string {
  const points = pointsOf(rows, "loss");
  const loss = smooth(points, smoothingFor(points.length));
  const first = loss[0];
  const last = loss.at(-1);
  if (!first || !last) return opening;
  const lowest = loss.reduce((a, b) => (b.value < a.value ? b : a));
  if (lowest.value > 0 && last.value > EXPLODED * lowest.value)
    return `The loss is ${formatMetric(last.value)}, more than three times its lowest (${formatMetric(lowest.value)} at step ${lowest.step}). Try a lower learning rate.`;
  if (last.value < 0.98 * first.value) {
    const ends = beforeAfter(rows, headlineOf(undefined));
    return `Loss has fallen from ${formatMetric(ends?.before)} to ${formatMetric(ends?.after)}. ${opening}`;
  }
  return `Loss has stayed near ${formatMetric(last.value)} for ${plural(last.step - first.step, "step")}. A higher learning rate may help. ${opening}`;
}

/** Below this share of pairs a run that is well under way has learned no preference. */
const CHANCE = 0.55;
const WARMED_UP = 20;

function pairsLine(rows: readonly MetricRow[], method: AlgorithmInfo | undefined, opening: string): string {
  const ends = beforeAfter(rows, headlineOf(method));
  if (!ends) return opening;
  const share = formatPercent(ends.after);
  if (ends.after >= 0.995)
    return "Every pair is in the right order now. More steps mostly widen the margin; look at the answers before you go on.";
  if (ends.after < CHANCE && pointsOf(rows, "rewards/accuracies").length >= WARMED_UP)
    return `The chosen answer is preferred in ${share} of the pairs, which is near chance. A higher learning rate may help.`;
  return `The chosen answer is preferred in ${share} of the pairs, from ${formatPercent(ends.before)}. ${opening}`;
}
