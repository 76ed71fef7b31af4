/** What the metrics need of one completion. */
export interface CompletionLength {
  /** Tokens, its end token included. */
  readonly length: number;
  readonly truncated: boolean;
}

/** Whether a completion was cut off: its last token neither ends an answer nor is padding, however long it is. */
export function isTruncated(
  ids: ArrayLike<number>,
  { stopIds, padId }: { readonly stopIds: readonly number[]; readonly padId: number },
): boolean {
  const last = ids[ids.length - 1];
  return last === undefined || !(last === padId || stopIds.includes(last));
}

/** TRL's completions/* of a rollout. The lengths of completed answers are 0 when none came to its end. */
export function completionMetrics(
  completions: readonly CompletionLength[],
): Readonly<Record<string, number>> {
  const lengths = completions.map(({ length }) => length);
  const ended = completions.filter(({ truncated }) => !truncated).map(({ length }) => length);
  const all = summary(lengths);
  const terminated = summary(ended);
  return {
    "completions/mean_length": all.mean,
    "completions/min_length": all.min,
    "completions/max_length": all.max,
    "completions/mean_terminated_length": terminated.mean,
    "completions/min_terminated_length": terminated.min,
    "completions/max_terminated_length": terminated.max,
    "completions/clipped_ratio": lengths.length === 0 ? 0 : (lengths.length - ended.length) / lengths.length,
  };
}

function summary(lengths: readonly number[]): { mean: number; min: number; max: number } {
  if (lengths.length === 0) return { mean: 0, min: 0, max: 0 };
  const sorted = lengths.toSorted((a, b) => a - b);
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  return { mean, min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0 };
}
