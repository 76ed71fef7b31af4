/**
 * Learning-rate schedules: the multiplier of the peak rate at optimizer step k (steps already done; the first uses k = 0).
 * Source: transformers, optimization.py. With warmup the first step has rate 0.
 */

export const SCHEDULES = [
  "linear",
  "cosine",
  "cosine_with_restarts",
  "constant",
  "constant_with_warmup",
  "polynomial",
  "inverse_sqrt",
  "warmup_stable_decay",
] as const;
export type ScheduleName = (typeof SCHEDULES)[number];

export interface ScheduleOptions {
  readonly name: ScheduleName;
  readonly totalSteps: number;
  readonly warmupSteps: number;
  /** Half or whole waves: 0.5 for cosine, whole restarts for cosine_with_restarts. */
  readonly cycles?: number | undefined;
  /** polynomial: the final rate as a share of the peak, and the exponent. */
  readonly endShare?: number | undefined;
  readonly power?: number | undefined;
  /** warmup_stable_decay: steps of the decay. */
  readonly decaySteps?: number | undefined;
  /** cosine and warmup_stable_decay: the share of the peak that stays. */
  readonly minShare?: number | undefined;
}

/** warmup_steps when it is given (at least 1), else the share of all steps, rounded up. */
export function warmupSteps(totalSteps: number, steps: number | undefined, ratio: number): number {
  return steps !== undefined && steps >= 1 ? Math.floor(steps) : Math.ceil(totalSteps * ratio);
}

export function learningRateShare(options: ScheduleOptions, k: number): number {
  const { warmupSteps: W, totalSteps: T } = options;
  if (options.name !== "constant" && k < W) return k / Math.max(1, W);
  const progress = (k - W) / Math.max(1, T - W);
  switch (options.name) {
    case "constant":
    case "constant_with_warmup":
      return 1;
    case "linear":
      return Math.max(0, (T - k) / Math.max(1, T - W));
    case "cosine":
      return withFloor(
        Math.max(0, 0.5 * (1 + Math.cos(2 * Math.PI * (options.cycles ?? 0.5) * progress))),
        options,
      );
    case "cosine_with_restarts":
      return progress >= 1 ? 0 : 0.5 * (1 + Math.cos(Math.PI * (((options.cycles ?? 1) * progress) % 1)));
    case "polynomial": {
      const end = options.endShare ?? 0;
      return k > T ? end : (1 - end) * (1 - (k - W) / Math.max(1, T - W)) ** (options.power ?? 1) + end;
    }
    case "inverse_sqrt": {
      const timescale = W === 0 ? 10_000 : W;
      return 1 / Math.sqrt((k + timescale - W) / timescale);
    }
    case "warmup_stable_decay":
      return stableDecay(options, k);
  }
}

function stableDecay(
  { totalSteps, warmupSteps: W, decaySteps = 0, minShare = 0 }: ScheduleOptions,
  k: number,
): number {
  const start = totalSteps - decaySteps;
  if (k < Math.max(W, start)) return 1;
  if (k >= totalSteps) return minShare;
  const progress = (k - start) / Math.max(1, decaySteps);
  return withFloor(0.5 * (1 + Math.cos(Math.PI * progress)), { minShare });
}

/** Shrinks a share so that it ends at the floor instead of 0: cosine_with_min_lr, warmup_stable_decay. */
function withFloor(share: number, { minShare = 0 }: Pick<ScheduleOptions, "minShare">): number {
  return share * (1 - minShare) + minShare;
}
