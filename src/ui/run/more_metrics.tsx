import { useMemo, useState } from "react";
import { type RunView, totalStepsOf } from "../../store/runs.ts";
import { Chart } from "../chart/chart.tsx";
import { metricName } from "../format.ts";
import {
  formatOf,
  groupMetrics,
  lineFor,
  type MetricGroup,
  marksFor,
  nameInGroup,
  otherMetrics,
  unitOf,
} from "./run_metrics.ts";

const HEIGHT = 144;
/** Drawn before anybody asks: what tells trouble early. */
const SHOWN_FIRST = [
  "loss",
  "entropy",
  "policy/entropy_avg",
  "kl",
  "frac_reward_zero_std",
  "completions/clipped_ratio",
  "val/ratio",
  "logps/chosen",
  "logps/rejected",
];

interface MoreMetricsProps {
  readonly run: RunView;
  readonly drawn: ReadonlySet<string>;
}

/** Everything else that is measured, by group; a press on a name draws it or puts it away. */
export function MoreMetrics({ run, drawn }: MoreMetricsProps) {
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const groups = useMemo(() => groupMetrics(otherMetrics(run.rows, drawn)), [run.rows, drawn]);
  const isOn = (metric: string): boolean => SHOWN_FIRST.includes(metric) !== toggled.has(metric);
  const toggle = (metric: string) => {
    const next = new Set(toggled);
    if (!next.delete(metric)) next.add(metric);
    setToggled(next);
  };
  if (groups.length === 0) return null;
  return (
    <section className="card more-metrics" aria-labelledby="more-metrics-title">
      <h2 id="more-metrics-title">More metrics</h2>
      <div className="metric-groups">
        {groups.map((group) => (
          <Chips key={group.title} group={group} isOn={isOn} onToggle={toggle} />
        ))}
      </div>
      <div className="metric-grid">
        {groups.flatMap(({ metrics }) =>
          metrics.filter(isOn).map((metric) => <One key={metric} run={run} metric={metric} />),
        )}
      </div>
    </section>
  );
}

interface ChipsProps {
  readonly group: MetricGroup;
  readonly isOn: (metric: string) => boolean;
  readonly onToggle: (metric: string) => void;
}

function Chips({ group: { title, metrics }, isOn, onToggle }: ChipsProps) {
  return (
    <fieldset className="metric-chips">
      <legend>{title}</legend>
      {metrics.map((metric) => (
        <button
          key={metric}
          type="button"
          className="chip"
          aria-pressed={isOn(metric)}
          title={metric}
          onClick={() => onToggle(metric)}
        >
          {nameInGroup(metric)}
        </button>
      ))}
    </fieldset>
  );
}

function One({ run, metric }: { run: RunView; metric: string }) {
  const metrics = useMemo(() => [lineFor(run.rows, metric)], [run.rows, metric]);
  const marks = useMemo(
    () => marksFor(run, [metric]).filter(({ kind }) => kind === "not-finite"),
    [run, metric],
  );
  const unit = unitOf(metric);
  return (
    <Chart
      title={metricName(metric)}
      {...(unit ? { unit } : {})}
      metrics={metrics}
      marks={marks}
      height={HEIGHT}
      length={totalStepsOf(run) ?? 0}
      format={formatOf(metric)}
    />
  );
}
