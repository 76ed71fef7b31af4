import { isRightAnswer } from "./answers.ts";
import { defineReward } from "./reward.ts";

/**
 * v_min + (v_max - v_min) (1 + cos(pi |y| / L)) / 2 with |y| in tokens, where wrong answers begin at their lowest value.
 * Demystifying Long Chain-of-Thought Reasoning, appendix C.1, as in TRL. Beyond L the value stays where it is at L.
 */
export const cosineScaled = defineReward("cosine_scaled", (params, tools) => {
  const full = params.max_len ?? tools.maxCompletionLength;
  return ({ completion, reference, completionIds }) => {
    const right = isRightAnswer(completion, reference, { tolerance: params.tolerance, markedOnly: false });
    if (right === null) return null;
    const [start, end] = right
      ? [params.max_value_correct, params.min_value_correct]
      : [params.min_value_wrong, params.max_value_wrong];
    const progress = Math.min(1, completionIds.length / full);
    return end + 0.5 * (start - end) * (1 + Math.cos(Math.PI * progress));
  };
});
