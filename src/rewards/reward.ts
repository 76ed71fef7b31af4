import { REWARDS, type RewardEntry, type RewardId, type RewardParams } from "../config/reward_catalog.ts";
import type { RewardItem } from "../host/user_code.ts";

/** One completion to score. `truncated` says that the length limit cut it off. */
export type ScoredItem = RewardItem & { readonly truncated: boolean };

/** What the run tells a reward besides its parameters. */
export interface RewardTools {
  /** Tokens; takes the place of lengths that are left empty. */
  readonly maxCompletionLength: number;
}

/** The value of one completion; null: it does not apply, for want of what it needs. */
export type ScoreOne = (item: ScoredItem) => number | null;

/** A built-in reward: its entry in the catalogue, and what it computes. */
export interface Reward<Id extends RewardId = RewardId> extends RewardEntry {
  readonly id: Id;
  create(params: RewardParams<Id>, tools: RewardTools): ScoreOne;
}

export const defineReward = <Id extends RewardId>(id: Id, create: Reward<Id>["create"]): Reward<Id> => ({
  id,
  ...(REWARDS[id] as RewardEntry),
  create,
});
