import { defineReward, type ScoredItem } from "./reward.ts";
import { words } from "./words.ts";

const measures: Readonly<Record<"words" | "tokens" | "characters", (item: ScoredItem) => number>> = {
  words: ({ completion }) => words(completion).length,
  tokens: ({ completionIds }) => completionIds.length,
  characters: ({ completion }) => [...completion].length,
};

export const length = defineReward("length", (params) => {
  const { min_length: least, max_length: most, target_length: target } = params;
  const measure = measures[params.unit];
  if (target !== null)
    return (item) => Math.max(0, 1 - Math.abs(measure(item) - target) / Math.max(target, 100));
  return (item) => Number(measure(item) >= least && measure(item) <= most);
});
