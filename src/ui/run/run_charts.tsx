import { lazy, Suspense, useMemo, useState } from "react";
import type { AlgorithmInfo, HeroChart } from "../../protocol/catalog.ts";
import { type RunView, totalStepsOf } from "../../store/runs.ts";
import { Chart } from "../chart/chart.tsx";
import { metricName } from "../format.ts";
import { coachLine } from "./coach.ts";
import {
  drawnBy,
  formatOf,
  heroCharts,
  lineFor,
  linesFor,
  marksFor,
  maxCompletionOf,
  otherMetrics,
  unitOf,
} from "./run_metrics.ts";

const MoreMetrics = lazy(async () => ({ default: (await import("./more_metrics.tsx")).MoreMetrics }));

interface RunChartsProps {
  readonly run: RunView;
  readonly algorithm: AlgorithmInfo | undefined;
}

/** The method's own numbers large. Where one chart says it all, the others stand one at a time beside it. */
export function RunCharts({ run, algorithm }: RunChartsProps) {
  const charts = heroCharts(algorithm);
  const { rows, configYaml } = run;
  const coach = coachLine(rows, algorithm, { maxCompletion: maxCompletionOf(configYaml) });
  return (
    <div className="charts">
      {charts.map((chart, i) => (
        <Hero key={chart.title} run={run} chart={chart} coach={i === 0 ? coach : null} />
      ))}
      {charts.length === 1 && <SecondChart run={run} drawn={drawnBy(charts)} />}
    </div>
  );
}

/** The other metrics of a method that has two charts of its own. */
export function OtherCharts({ run, algorithm }: RunChartsProps) {
  const charts = heroCharts(algorithm);
  if (charts.length === 1 || run.rows.length === 0) return null;
  return (
    <Suspense fallback={null}>
      <MoreMetrics run={run} drawn={drawnBy(charts)} />
    </Suspense>
  );
}

interface HeroProps {
  readonly run: RunView;
  readonly chart: HeroChart;
  readonly coach: string | null;
}

function Hero({ run, chart, coach }: HeroProps) {
  const { title, unit } = chart;
  const metrics = useMemo(() => linesFor(run.rows, chart), [run.rows, chart]);
  const marks = useMemo(
    () =>
      marksFor(
        run,
        chart.metrics.map(({ metric }) => metric),
      ),
    [run, chart],
  );
  return (
    <Chart
      title={title}
      {...(unit ? { unit } : {})}
      metrics={metrics}
      marks={marks}
      length={totalStepsOf(run) ?? 0}
      {...(coach === null ? {} : { foot: <p className="coach">{coach}</p> })}
    />
  );
}

const FIRST = ["learning_rate", "grad_norm", "tokens_per_second"];
/** Names for chips, where there is little room. */
const SHORT: Readonly<Record<string, string>> = { tokens_per_second: "Tokens/s" };

function SecondChart({ run, drawn }: { run: RunView; drawn: ReadonlySet<string> }) {
  const [chosen, setChosen] = useState("learning_rate");
  const { rows } = run;
  const others = useMemo(
    () => otherMetrics(rows, drawn).filter((name) => !FIRST.includes(name)),
    [rows, drawn],
  );
  const metrics = useMemo(() => [lineFor(rows, chosen)], [rows, chosen]);
  const marks = useMemo(
    () => marksFor(run, [chosen]).filter(({ kind }) => kind === "not-finite"),
    [run, chosen],
  );
  const chips = (
    <fieldset className="metric-chips">
      <legend className="hidden">Metric of this chart</legend>
      {FIRST.map((name) => (
        <button
          key={name}
          type="button"
          className="chip"
          aria-pressed={name === chosen}
          onClick={() => setChosen(name)}
        >
          {SHORT[name] ?? metricName(name)}
        </button>
      ))}
      {others.length > 0 && (
        <select
          className="select metric-select"
          aria-label="Other metrics"
          value={others.includes(chosen) ? chosen : ""}
          onChange={(event) => event.target.value && setChosen(event.target.value)}
        >
          <option value="">More…</option>
          {others.map((name) => (
            <option key={name} value={name}>
              {metricName(name)}
            </option>
          ))}
        </select>
      )}
    </fieldset>
  );
  const unit = unitOf(chosen);
  return (
    <Chart
      title={metricName(chosen)}
      {...(unit ? { unit } : {})}
      metrics={metrics}
      marks={marks}
      length={totalStepsOf(run) ?? 0}
      format={formatOf(chosen)}
      foot={chips}
    />
  );
}
