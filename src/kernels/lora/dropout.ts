/**
 * Dropout on the input of the adapters. The mask is a function of (seed, step, keys[n], tag + index of the projection in its
 * group, channel), so a tag must leave room for the group's projections.
 */
export interface LoraDropout {
  /** In (0, 1). */
  readonly rate: number;
  readonly tag: number;
}

/** The parameters that every kernel with dropout has. */
export function dropoutParams(dropout: LoraDropout | undefined): { tag: number; rate: number; keep: number } {
  if (!dropout) return { tag: 0, rate: 0, keep: 1 };
  return { tag: dropout.tag, rate: dropout.rate, keep: 1 / (1 - dropout.rate) };
}
