/** Sets of bytes of a file: spans [start, end), ascending, apart from each other. */

export type Span = readonly [start: number, end: number];

/** The set with one more span; spans that touch become one. */
export function withSpan(spans: readonly Span[], [start, end]: Span): readonly Span[] {
  if (start >= end) return spans;
  const before = spans.filter((span) => span[1] < start);
  const after = spans.filter((span) => span[0] > end);
  const touching = spans.slice(before.length, spans.length - after.length);
  const first = Math.min(start, ...touching.map((span) => span[0]));
  const last = Math.max(end, ...touching.map((span) => span[1]));
  return [...before, [first, last], ...after];
}

/** What of a span is not in the set, in order. */
export function missingOf(spans: readonly Span[], [start, end]: Span): readonly Span[] {
  const missing: Span[] = [];
  let at = start;
  for (const [first, last] of spans) {
    if (last <= at) continue;
    if (first >= end) break;
    if (first > at) missing.push([at, first]);
    at = last;
  }
  if (at < end) missing.push([at, end]);
  return missing;
}

/** How many bytes the set has. */
export const sizeOf = (spans: readonly Span[]): number =>
  spans.reduce((sum, [start, end]) => sum + end - start, 0);
