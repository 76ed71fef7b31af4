import type { AlgorithmInfo, HeroMetric } from "../../protocol/catalog.ts";
import { headlineOf } from "../../store/headline.ts";
import { nonFiniteSteps, pointsOf } from "../../store/metric_rows.ts";
import { type RunView, stepOf, totalStepsOf } from "../../store/runs.ts";
import { formatCount, formatDuration, formatMetric, NONE } from "../format.ts";
import { ProgressBar } from "../parts/status.tsx";
import { RunMemory } from "./run_memory.tsx";

interface Stat {
  readonly label: string;
  readonly value: string;
  readonly why?: string;
}

/** How far the run is, how fast, and how long it will take. The headline is the number to look at. */
export function ProgressRow({ run, algorithm }: { run: RunView; algorithm: AlgorithmInfo | undefined }) {
  const hero = headlineOf(algorithm);
  const step = stepOf(run);
  const total = totalStepsOf(run);
  const last = pointsOf(run.rows, hero.metric).at(-1);
  const stats = statsOf(run, step, total);
  return (
    <section className="card progress-row" aria-label="Progress">
      <div className="hero-number">
        <span className="muted small">{labelOf(run, hero, last?.step)}</span>
        <strong>{last ? formatMetric(last.value) : NONE}</strong>
      </div>
      <div className="grow progress-side">
        <ProgressBar label="Steps done" share={total ? step / total : null} />
        <dl className="stats">
          {stats.map(({ label, value, why }) => (
            <div key={label} title={why}>
              <dt className="muted tiny">{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        <RunMemory run={run} />
      </div>
    </section>
  );
}

/** A number that is not of the last step says of which it is. */
function labelOf({ rows }: RunView, { metric, title }: HeroMetric, step: number | undefined): string {
  const last = nonFiniteSteps(rows, metric).at(-1);
  return step !== undefined && last !== undefined && last > step ? `${title} at step ${step}` : title;
}

function statsOf({ progress, rows, status }: RunView, step: number, total: number | null): readonly Stat[] {
  const running = status.state === "running";
  const epoch = progress?.epoch ?? rows.at(-1)?.values["epoch"];
  const speed = progress?.tokensPerSecond ?? pointsOf(rows, "tokens_per_second").at(-1)?.value;
  const left = running ? progress?.secondsLeft : undefined;
  const time: readonly Stat[] = running
    ? [
        left === undefined || left === null
          ? { label: "Time left", value: NONE, why: "Known after five steps." }
          : { label: "Time left", value: formatDuration(left) },
      ]
    : [];
  return [
    { label: "Step", value: `${formatCount(step)} / ${total === null ? NONE : formatCount(total)}` },
    { label: "Epoch", value: typeof epoch === "number" ? epoch.toFixed(2) : NONE },
    { label: "Speed", value: speed ? `${formatCount(speed)} tok/s` : NONE },
    ...time,
  ];
}
