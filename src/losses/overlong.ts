export interface OverlongOptions {
  readonly maxCompletionLength: number;
  /** The penalty begins this many tokens before the limit. */
  readonly buffer: number;
}

/**
 * Soft overlong punishment, added to the reward of a completion of `length` tokens: 0 up to the buffer, then falling in a
 * straight line to -1 at the limit (DAPO, equation 13).
 */
export function overlongPenalty(length: number, { maxCompletionLength, buffer }: OverlongOptions): number {
  const start = maxCompletionLength - buffer;
  if (length <= start) return 0;
  return length <= maxCompletionLength ? (start - length) / buffer : -1;
}
