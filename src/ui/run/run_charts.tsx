import { useMemo, useState } from "react";
import type { AlgorithmInfo } from "../../protocol/messages.ts";
import { metricNames, nonFiniteSteps, pointsOf } from "../../store/metric_rows.ts";
import { type RunView, totalStepsOf } from "../../store/runs.ts";
import { Chart } from "../chart/chart.tsx";
import type { Mark } from "../chart/plot.ts";
import type { Metric } from "../chart/series.ts";
import { formatCount, formatMetric, formatRate, metricName } from "../format.ts";
import { coachLine } from "./coach.ts";

interface RunChartsProps {
  readonly run: RunView;
  readonly algorithm: AlgorithmInfo | undefined;
}

/** The method's own numbers large, the others one at a time beside them. */
export function RunCharts({ run, algorithm }: RunChartsProps) {
  const { rows, checkpoints } = run;
  const marks = useMemo<readonly Mark[]>(
    () => [
      ...checkpoints.map(({ step }) => ({ step, kind: "checkpoint" as const })),
      ...nonFiniteSteps(rows, "loss").map((step) => ({ step, kind: "not-finite" as const })),
    ],
    [checkpoints, rows],
  );
  const hero = useMemo(() => heroMetrics(run, algorithm), [run, algorithm]);
  const coach = coachLine(rows, algorithm?.coach ?? "");
  return (
    <div className="charts">
      <Chart
        title="Loss"
        metrics={hero}
        marks={marks}
        length={totalStepsOf(run) ?? 0}
        foot={<p className="coach">{coach}</p>}
      />
      <SecondChart run={run} />
    </div>
  );
}

function heroMetrics({ rows }: RunView, algorithm: AlgorithmInfo | undefined): readonly Metric[] {
  const listed = algorithm?.hero ?? [{ metric: "loss", title: "Loss" }];
  return listed
    .map(({ metric, title }, i) => ({
      name: metric,
      title,
      points: pointsOf(rows, metric),
      colour: i + 1,
      smoothed: i === 0,
      sparse: metric.startsWith("eval_"),
    }))
    .filter(({ points }, i) => i === 0 || points.length > 0);
}

const FIRST = ["learning_rate", "grad_norm", "tokens_per_second"];
/** Names for chips, where there is little room. */
const SHORT: Readonly<Record<string, string>> = { tokens_per_second: "Tokens/s" };
const NOT_SHOWN = new Set([
  "loss",
  "eval_loss",
  "epoch",
  "global_step",
  "step",
  "num_targets",
  "eval_num_targets",
]);
const COLOURS: Readonly<Record<string, number>> = { learning_rate: 3, grad_norm: 4, tokens_per_second: 7 };
const UNITS: Readonly<Record<string, string>> = { step_time: "seconds", num_tokens: "tokens" };
const PLAIN = new Set(["learning_rate", "num_tokens"]);

function formatOf(metric: string): (value: number) => string {
  if (metric === "learning_rate") return formatRate;
  if (metric === "tokens_per_second" || metric === "num_tokens") return formatCount;
  return formatMetric;
}

function SecondChart({ run }: { run: RunView }) {
  const [chosen, setChosen] = useState("learning_rate");
  const { rows } = run;
  const names = useMemo(() => {
    const found = metricNames(rows).filter((name) => !NOT_SHOWN.has(name) && !FIRST.includes(name));
    return [...FIRST, ...found.filter((name) => pointsOf(rows, name).length > 0)];
  }, [rows]);
  const metrics = useMemo<readonly Metric[]>(
    () => [
      {
        name: chosen,
        title: metricName(chosen),
        points: pointsOf(rows, chosen),
        colour: COLOURS[chosen] ?? 8,
        smoothed: !PLAIN.has(chosen) && !chosen.startsWith("eval_"),
        sparse: chosen.startsWith("eval_"),
      },
    ],
    [rows, chosen],
  );
  const others = names.filter((name) => !FIRST.includes(name));
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
  const unit = UNITS[chosen];
  return (
    <Chart
      title={metricName(chosen)}
      {...(unit ? { unit } : {})}
      metrics={metrics}
      length={totalStepsOf(run) ?? 0}
      format={formatOf(chosen)}
      foot={chips}
    />
  );
}
