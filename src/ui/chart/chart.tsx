import { Download, Table2 } from "lucide-react";
import { type ReactNode, useId, useMemo, useRef, useState } from "react";
import type { Point } from "../../store/metric_rows.ts";
import { formatMetric, plural } from "../format.ts";
import { Popover } from "../parts/popover.tsx";
import { saveFile, saveText } from "../parts/save_file.ts";
import { Canvas } from "./canvas.tsx";
import type { Line, Mark } from "./plot.ts";
import { align, bandOf, columnsOf, type Metric, smooth, smoothingFor, trend } from "./series.ts";
import { SeriesTable } from "./series_table.tsx";

interface ChartProps {
  readonly title: string;
  readonly unit?: string;
  readonly metrics: readonly Metric[];
  readonly marks?: readonly Mark[];
  readonly height?: number;
  /** Chips, a coach line: what belongs to this chart alone. */
  readonly head?: ReactNode;
  readonly foot?: ReactNode;
  readonly format?: (value: number) => string;
  /** Steps of the whole run: how much an average may lag. */
  readonly length?: number;
}

type Data = [number[], ...(number | null)[][]];

const NO_MARKS: readonly Mark[] = [];

function linesOf(
  metrics: readonly Metric[],
  keep: number,
): {
  readonly lines: readonly Line[];
  readonly columns: readonly (readonly Point[])[];
} {
  const lines: Line[] = [];
  const columns: (readonly Point[])[] = [];
  for (const { title, points, colour, smoothed, sparse, spread } of metrics) {
    if (spread) {
      const { upper, lower } = bandOf(points, spread);
      lines.push({ label: `${title}, above`, colour, edge: "upper" });
      lines.push({ label: `${title}, below`, colour, edge: "lower" });
      columns.push(upper, lower);
    }
    if (smoothed) {
      lines.push({ label: `${title}, raw`, colour, raw: true });
      columns.push(points);
    }
    lines.push({ label: title, colour, ...(sparse ? { dash: [6, 4], dots: true } : {}) });
    columns.push(smoothed ? smooth(points, keep) : points);
  }
  return { lines, columns };
}

/** Metrics over steps: a drawing, its sentence, its numbers as a table, and its file. */
export function Chart(props: ChartProps) {
  const {
    title,
    unit,
    metrics,
    marks = NO_MARKS,
    height = 208,
    head,
    foot,
    format = formatMetric,
    length = 0,
  } = props;
  const keep = smoothingFor(length);
  const [asTable, setTable] = useState(false);
  const [logarithmic, setLogarithmic] = useState(false);
  const [pointed, setPointed] = useState<number | null>(null);
  const figure = useRef<HTMLElement>(null);
  const id = useId();
  const { lines, columns } = useMemo(() => linesOf(metrics, keep), [metrics, keep]);
  // What happened beyond the last point is on the chart too.
  const { steps, values } = useMemo(() => alignWith(columns, marks), [columns, marks]);
  const data = useMemo<Data>(() => [steps, ...values], [steps, values]);
  const positive = values.every((column) => column.every((value) => value === null || value > 0));
  const notFinite = marks.filter(({ kind }) => kind === "not-finite").length;
  const sentence = metrics.map((metric) => trend(metric.title, metric.points, format)).join(" ");

  return (
    <figure className="card chart" aria-labelledby={id} ref={figure}>
      <div className="chart-head">
        <h2 id={id}>
          {title}
          {unit && <span className="muted chart-unit"> {unit}</span>}
        </h2>
        {head}
        <ChartMenu
          title={title}
          asTable={asTable}
          logarithmic={logarithmic}
          positive={positive}
          onTable={() => setTable(!asTable)}
          onLogarithmic={() => setLogarithmic(!logarithmic)}
          onCsv={() => saveText(fileName(title, "csv"), csvOf(metrics), "text/csv")}
          onPng={() => savePicture(figure.current, title)}
        />
      </div>
      <Legend
        metrics={metrics}
        at={pointed === null ? null : (steps[pointed] ?? null)}
        format={format}
        keep={keep}
      />
      {asTable ? (
        <SeriesTable title={title} metrics={metrics} height={height} format={format} />
      ) : (
        <Plot
          title={title}
          metrics={metrics}
          data={data}
          lines={lines}
          marks={marks}
          height={height}
          logarithmic={logarithmic && positive}
          format={format}
          onCursor={setPointed}
        />
      )}
      {notFinite > 0 && (
        <p className="small bad-text">
          {plural(notFinite, "value was", "values were")} not a number: red ticks.
        </p>
      )}
      <figcaption className={foot ? "hidden" : "muted small"}>{sentence}</figcaption>
      {foot}
    </figure>
  );
}

interface PlotProps {
  readonly title: string;
  readonly metrics: readonly Metric[];
  readonly data: Data;
  readonly lines: readonly Line[];
  readonly marks: readonly Mark[];
  readonly height: number;
  readonly logarithmic: boolean;
  readonly format: (value: number) => string;
  readonly onCursor: (index: number | null) => void;
}

/** The drawing, and a slider over it: arrow keys go from point to point, Home and End to the ends. */
function Plot({ title, metrics, data, format, onCursor, ...rest }: PlotProps) {
  const [chosen, setChosen] = useState<number | null>(null);
  const [steps] = data;
  const last = steps.length - 1;
  const choose = (index: number | null) => {
    setChosen(index);
    onCursor(index);
  };
  return (
    <div className="chart-plot">
      <Canvas {...rest} data={data} chosen={chosen} onCursor={onCursor} />
      {last < 0 && <p className="chart-empty muted">The first point comes with the first step.</p>}
      {last > 0 && (
        <input
          type="range"
          className="chart-cursor"
          aria-label={`${title}: move from point to point`}
          min={0}
          max={last}
          value={chosen ?? last}
          aria-valuetext={valueText(metrics, steps[chosen ?? last], format)}
          onChange={(event) => choose(Number(event.target.value))}
          onBlur={() => choose(null)}
        />
      )}
    </div>
  );
}

function alignWith(columns: readonly (readonly Point[])[], marks: readonly Mark[]): ReturnType<typeof align> {
  const { steps, values } = align([...columns, marks.map(({ step }) => ({ step, value: 0 }))]);
  return { steps, values: values.slice(0, columns.length) };
}

const valueText = (
  metrics: readonly Metric[],
  step: number | undefined,
  format: (value: number) => string,
): string =>
  [
    `Step ${step ?? 0}`,
    ...metrics.flatMap(({ title, points }) => {
      const point = points.find((item) => item.step === step);
      return point ? [`${title} ${format(point.value)}`] : [];
    }),
  ].join(", ");

interface LegendProps {
  readonly metrics: readonly Metric[];
  readonly at: number | null;
  readonly format: (value: number) => string;
  readonly keep: number;
}

/** Which line is which, with the value at the cursor or the last one. */
function Legend({ metrics, at, format, keep }: LegendProps) {
  const smoothed = metrics.some((metric) => metric.smoothed && metric.points.length > 0);
  const banded = metrics.some(({ spread }) => spread && spread.points.length > 0);
  return (
    <ul className="legend small">
      {metrics.map(({ name, title, points, colour, sparse }) => {
        const point = at === null ? points.at(-1) : points.find(({ step }) => step === at);
        return (
          <li key={name}>
            <span
              className={sparse ? "swatch dashed" : "swatch"}
              style={{ color: `var(--series-${colour})` }}
            />
            {title} <strong>{point ? format(point.value) : "—"}</strong>
          </li>
        );
      })}
      <li className="muted">
        {at === null ? "" : `at step ${at}`}
        {at === null && smoothed ? `bold: average ${keep}` : ""}
        {at === null && banded ? ", band: ± standard deviation" : ""}
      </li>
    </ul>
  );
}

interface MenuProps {
  readonly title: string;
  readonly asTable: boolean;
  readonly logarithmic: boolean;
  readonly positive: boolean;
  readonly onTable: () => void;
  readonly onLogarithmic: () => void;
  readonly onCsv: () => void;
  readonly onPng: () => void;
}

function ChartMenu({
  title,
  asTable,
  logarithmic,
  positive,
  onTable,
  onLogarithmic,
  onCsv,
  onPng,
}: MenuProps) {
  return (
    <div className="row chart-tools">
      <button type="button" className="chip" aria-pressed={asTable} onClick={onTable}>
        <Table2 size={16} aria-hidden />
        <span>{asTable ? "Show the chart" : "Show as table"}</span>
        <span className="hidden">: {title}</span>
      </button>
      <Popover
        button={<Download size={16} aria-hidden />}
        label={`More for ${title}`}
        className="chip"
        align="end"
      >
        {(close) => (
          <div className="menu">
            {[
              [logarithmic ? "Linear scale" : "Logarithmic scale", onLogarithmic, !positive] as const,
              ["Save as CSV", onCsv, false] as const,
              ["Save as PNG", onPng, asTable] as const,
            ].map(([label, act, disabled]) => (
              <button
                key={label}
                type="button"
                disabled={disabled}
                onClick={() => {
                  act();
                  close();
                }}
              >
                {label}
              </button>
            ))}
          </div>
        )}
      </Popover>
    </div>
  );
}

const fileName = (title: string, ending: string): string =>
  `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.${ending}`;

function csvOf(metrics: readonly Metric[]): string {
  const columns = columnsOf(metrics);
  const { steps, values } = align(columns.map(({ points }) => points));
  const head = ["step", ...columns.map(({ name }) => name)].join(",");
  return [head, ...steps.map((step, i) => [step, ...values.map((column) => column[i] ?? "")].join(","))].join(
    "\n",
  );
}

function savePicture(figure: HTMLElement | null, title: string): void {
  figure?.querySelector("canvas")?.toBlob((blob) => {
    if (blob) saveFile({ fileName: fileName(title, "png"), blob });
  });
}
