interface SparklineProps {
  readonly values: readonly number[];
  readonly label: string;
}

const WIDTH = 96;
const HEIGHT = 24;

/** A course of values as a small line. */
export function Sparkline({ values, label }: SparklineProps) {
  if (values.length < 2) return <span className="muted">—</span>;
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const points = values.map((value, i) => {
    const x = 1 + (i * (WIDTH - 2)) / (values.length - 1);
    const y = 2 + (1 - (value - low) / span) * (HEIGHT - 4);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg className="sparkline" width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      <polyline points={points.join(" ")} fill="none" stroke="var(--series-1)" strokeWidth="1.5" />
    </svg>
  );
}
