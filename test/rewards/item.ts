import { rewardParams } from "../../src/config/check_rewards.ts";
import type { RewardId } from "../../src/config/reward_catalog.ts";
import { BUILT_IN } from "../../src/rewards/registry.ts";
import type { Reward, ScoredItem } from "../../src/rewards/reward.ts";

export const item = (completion: string, more: Partial<ScoredItem> = {}): ScoredItem => ({
  prompt: "How many?",
  completion,
  completionIds: [],
  reference: null,
  row: {},
  truncated: false,
  ...more,
});

/** The value of one completion, with the defaults of the parameters that are not given. */
export function valued(
  id: RewardId,
  completion: ScoredItem | string,
  params: Readonly<Record<string, unknown>> = {},
  maxCompletionLength = 100,
): number | null {
  const reward = BUILT_IN[id] as Reward;
  const score = reward.create(rewardParams(id, params), { maxCompletionLength });
  return score(typeof completion === "string" ? item(completion) : completion);
}

export const tokens = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
