import uPlot from "uplot";
import { formatMetric, formatRate } from "../format.ts";
import { paddedRange } from "./series.ts";

/** One line of a chart. Its colour is one of the eight of the theme. */
export interface Line {
  readonly label: string;
  readonly colour: number;
  readonly dash?: readonly number[];
  /** Thin and pale: the raw values under an average. */
  readonly raw?: boolean;
  /** Marked at each point: a metric that is measured now and then. */
  readonly dots?: boolean;
  /** An edge of a band: not drawn itself. The lower edge follows its upper one, and the room between is filled. */
  readonly edge?: "upper" | "lower";
}

/** Something that happened at a step. */
export interface Mark {
  readonly step: number;
  readonly kind: "checkpoint" | "not-finite";
}

export interface PlotOptions {
  readonly width: number;
  readonly height: number;
  readonly lines: readonly Line[];
  readonly logarithmic: boolean;
  readonly marks: () => readonly Mark[];
  readonly onCursor: (index: number | null) => void;
}

const token = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "gray";
export const seriesColour = (colour: number): string => token(`--series-${colour}`);

const RAW_ALPHA = "59"; // 35 % in two hex digits.
const BAND_ALPHA = "26"; // 15 %
const TICK = 8;

const strokeOf = ({ colour, raw }: Line): string => `${seriesColour(colour)}${raw ? RAW_ALPHA : ""}`;

const bandFill = ({ colour }: Line): string => `${seriesColour(colour)}${BAND_ALPHA}`;

function drawMarks(plot: uPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  for (const { step, kind } of marks) {
    const x = Math.round(plot.valToPos(step, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const bottom = bbox.top + bbox.height;
    ctx.strokeStyle = token(kind === "checkpoint" ? "--muted" : "--bad");
    ctx.lineWidth = (kind === "checkpoint" ? 1 : 2) * scale;
    ctx.beginPath();
    ctx.moveTo(x, bottom);
    ctx.lineTo(x, bottom - TICK * scale);
    ctx.stroke();
  }
  ctx.restore();
}

/** The last value of each line at its end, kept apart so that none covers another. */
function drawEnds(plot: uPlot, lines: readonly Line[]): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  const size = 12 * scale;
  const ends: { y: number; text: string; colour: string }[] = [];
  for (const [i, line] of lines.entries()) {
    if (line.raw || line.edge) continue;
    // Beside an average stands the last measured value: the one that the rest of the page shows.
    const column = plot.data[lines[i - 1]?.raw ? i : i + 1] ?? [];
    const value = lastOf(column);
    // A line that ended long ago has no end at the edge.
    if (value === undefined || lastIndex(column) < 0.7 * plot.data[0].length) continue;
    ends.push({
      y: plot.valToPos(value, "y", true),
      text: formatEnd(value),
      colour: seriesColour(line.colour),
    });
  }
  ends.sort((a, b) => a.y - b.y);
  let free = bbox.top + size / 2;
  ctx.save();
  ctx.font = `600 ${size}px ${token("--font")}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  for (const { y, text, colour } of ends) {
    const at = Math.max(free, Math.min(y, bbox.top + bbox.height));
    free = at + size * 1.2;
    ctx.fillStyle = colour;
    ctx.fillText(text, bbox.left + bbox.width + 6 * scale, at);
  }
  ctx.restore();
}

type Column = ArrayLike<number | null | undefined>;

function lastIndex(column: Column): number {
  let i = column.length - 1;
  while (i >= 0 && typeof column[i] !== "number") i--;
  return i;
}

const lastOf = (column: Column): number | undefined => column[lastIndex(column)] ?? undefined;

const formatEnd = (value: number): string =>
  Math.abs(value) < 0.01 ? formatRate(value) : formatMetric(value);

const axis = (size?: number): uPlot.Axis => ({
  stroke: () => token("--muted"),
  font: `12px ${token("--font")}`,
  grid: { stroke: () => token("--border"), width: 1 },
  ticks: { show: false },
  ...(size === undefined ? {} : { size }),
});

/** A plot of lines over steps, in the colours of the theme as they are now. */
export function makePlot(host: HTMLElement, data: uPlot.AlignedData, options: PlotOptions): uPlot {
  const { width, height, lines, logarithmic, marks, onCursor } = options;
  return new uPlot(
    {
      width,
      height,
      padding: [8, 56, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: false, range: (_plot, min, max) => [Math.min(min, 1), Math.max(max, 2)] },
        y: logarithmic ? { distr: 3 } : { range: (_plot, min, max) => paddedRange(min, max) },
      },
      axes: [
        {
          ...axis(28),
          space: 64,
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000],
        },
        {
          ...axis(56),
          space: Math.min(44, height / 5),
          values: (_plot, ticks) => ticks.map((tick) => (tick === null ? "" : tickText(tick))),
        },
      ],
      series: [
        {},
        ...lines.map(
          (line): uPlot.Series => ({
            label: line.label,
            stroke: () => strokeOf(line),
            width: line.edge ? 0 : line.raw ? 1 : 2,
            spanGaps: line.dots === true,
            points: { show: line.dots === true, size: 6, fill: () => strokeOf(line) },
            ...(line.dash ? { dash: [...line.dash] } : {}),
          }),
        ),
      ],
      bands: lines.flatMap((line, i) =>
        line.edge === "upper"
          ? [{ series: [i + 1, i + 2] as [number, number], fill: () => bandFill(line) }]
          : [],
      ),
      hooks: {
        draw: [(plot) => drawMarks(plot, marks()), (plot) => drawEnds(plot, lines)],
        setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)],
      },
    },
    data,
    host,
  );
}

const tickText = (tick: number): string =>
  tick !== 0 && Math.abs(tick) < 0.01 ? formatRate(tick) : String(Number(tick.toPrecision(4)));
