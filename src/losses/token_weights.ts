import { invariant } from "../lib/errors.ts";

export type GroupLoss = "grpo" | "bnpo" | "dr_grpo" | "dapo" | "cispo" | "sapo" | "luspo" | "vespo";

export interface WeightOptions {
  readonly lossType: GroupLoss;
  /** Micro-batches whose gradients make up the optimizer step. */
  readonly microBatches: number;
  /** Tokens that are learned from in the whole rollout. */
  readonly rolloutTokens: number;
  readonly stepsPerGeneration: number;
  readonly maxCompletionLength: number;
}

/**
 * What each token of a row is multiplied by, so that the sum of weight * token loss over all micro-batches of a step is the
 * loss (TRL 1.13 `GRPOTrainer._compute_loss`). `liveTokens` has one entry for every row of the micro-batch, 0 for a row
 * that is masked as a whole: such rows still count where a loss averages over rows.
 */
export function tokenWeights(liveTokens: readonly number[], options: WeightOptions): Float64Array {
  const rows = liveTokens.length;
  const { lossType, microBatches, rolloutTokens, stepsPerGeneration, maxCompletionLength } = options;
  invariant(rows > 0 && microBatches > 0 && stepsPerGeneration > 0, "a step has rows and micro-batches");
  const live = atLeastOne(liveTokens.reduce((sum, tokens) => sum + tokens, 0));
  const each = (weight: (tokens: number) => number) => Float64Array.from(liveTokens, weight);
  switch (lossType) {
    case "grpo":
    case "sapo":
      return each((tokens) => 1 / (rows * atLeastOne(tokens) * microBatches));
    case "bnpo":
      return each(() => 1 / (live * microBatches));
    case "dr_grpo":
      return each(() => 1 / (rows * maxCompletionLength * microBatches));
    case "luspo":
      return each(() => 1 / (rows * microBatches));
    case "dapo":
    case "cispo":
    case "vespo":
      // A step's share of the rollout's tokens. It does not depend on how the rollout is cut into micro-batches.
      return each(() => stepsPerGeneration / (atLeastOne(rolloutTokens) * microBatches));
  }
}

/** What each live token's entropy is multiplied by: the bonus is the mean over the micro-batch, averaged over the step. */
export function entropyWeight(
  liveTokens: number,
  { entropyCoef, microBatches }: { readonly entropyCoef: number; readonly microBatches: number },
): number {
  return entropyCoef === 0 ? 0 : 0 - entropyCoef / (atLeastOne(liveTokens) * microBatches);
}

function atLeastOne(count: number): number {
  return Math.max(1, count);
}
