import type { DataPreview } from "../../protocol/setup.ts";
import { formatCount, plural } from "../format.ts";

const WIDTH = 480;
const HEIGHT = 72;

interface HistogramProps {
  readonly lengths: DataPreview["lengths"];
}

/** How long the rows are in tokens, and which would be cut. */
export function Histogram({ lengths }: HistogramProps) {
  const { bins, max, limit, cut } = lengths;
  const measured = bins.reduce((sum, count) => sum + count, 0);
  if (bins.length === 0 || max === 0) return null;
  const tallest = Math.max(...bins, 1);
  const span = Math.max(max, limit <= 2 * max ? limit : max);
  const bar = (WIDTH * max) / span / bins.length;
  const limitAt = limit <= span ? (WIDTH * limit) / span : null;
  const sentence =
    cut === 0
      ? `None of ${plural(measured, "row")} measured is longer than ${formatCount(limit)} tokens; the longest has ${formatCount(max)}.`
      : `${formatCount(cut)} of ${plural(measured, "row")} measured are longer than ${formatCount(limit)} tokens and will be cut.`;
  return (
    <figure className="stack tight" aria-labelledby="lengths-title">
      <h3 id="lengths-title">Length of the rows</h3>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        className="histogram"
        preserveAspectRatio="none"
        role="img"
        aria-label={sentence}
      >
        {bins.map((count, i) => {
          const height = (count / tallest) * (HEIGHT - 4);
          return (
            <rect
              // biome-ignore lint/suspicious/noArrayIndexKey: a bin is its place.
              key={i}
              x={i * bar + 1}
              y={HEIGHT - height}
              width={Math.max(1, bar - 2)}
              height={height}
              fill="var(--series-1)"
            />
          );
        })}
        {limitAt !== null && (
          <line
            x1={limitAt}
            x2={limitAt}
            y1={0}
            y2={HEIGHT}
            stroke="var(--bad)"
            strokeWidth="2"
            strokeDasharray="4 3"
          />
        )}
      </svg>
      <div className="row between muted tiny" aria-hidden="true">
        <span>0</span>
        <span>{formatCount(span)} tokens</span>
      </div>
      <figcaption className={cut > 0 ? "small warn-text" : "small muted"}>{sentence}</figcaption>
    </figure>
  );
}
