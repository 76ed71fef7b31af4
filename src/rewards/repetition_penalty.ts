import { defineReward } from "./reward.ts";
import { ngrams, words } from "./words.ts";

/**
 * (1 - different n-grams / n-grams) max_penalty, 0 for fewer than n tokens. Demystifying Long Chain-of-Thought Reasoning,
 * appendix C.2; over tokens as in TRL.
 */
export const repetitionPenalty = defineReward(
  "repetition_penalty",
  (params) =>
    ({ completion, completionIds }) => {
      const list = params.unit === "words" ? words(completion.toLowerCase()) : completionIds;
      const all = ngrams(list, params.ngram_size);
      const different = new Set(all).size;
      return different === all.length ? 0 : (1 - different / all.length) * params.max_penalty;
    },
);
