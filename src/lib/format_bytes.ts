const UNITS = [
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
] as const;

/** Bytes as GB, MB or kB with one decimal. */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of UNITS) {
    // What rounds to 1,000 of a unit is one of the next.
    if (bytes >= size * 0.99995) return `${(bytes / size).toFixed(1)} ${unit}`;
  }
  return `${Math.round(bytes)} B`;
}
