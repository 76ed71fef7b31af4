/** What is remembered of evaluations; part of a checkpoint. */
export interface BestState {
  readonly metric: number | null;
  readonly step: number | null;
  /** Evaluations in a row that were no better than the best by more than the threshold. */
  readonly patienceUsed: number;
}

export const NO_BEST: BestState = { metric: null, step: null, patienceUsed: 0 };

export interface BestRules {
  readonly greaterIsBetter: boolean;
  readonly threshold: number;
}

/**
 * The state after an evaluation. As transformers: a value is a new best when it is strictly better; patience counts
 * evaluations that do not beat the best by more than the threshold. A value that is not finite is never best.
 */
export function afterEvaluation(state: BestState, step: number, value: number, rules: BestRules): BestState {
  const gain =
    state.metric === null
      ? Number.POSITIVE_INFINITY
      : (rules.greaterIsBetter ? 1 : -1) * (value - state.metric);
  const isBetter = Number.isFinite(value) && gain > 0;
  const beats = Number.isFinite(value) && gain > rules.threshold;
  return {
    metric: isBetter ? value : state.metric,
    step: isBetter ? step : state.step,
    patienceUsed: beats ? 0 : state.patienceUsed + 1,
  };
}
