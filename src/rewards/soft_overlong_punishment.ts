import { defineReward } from "./reward.ts";

/** DAPO, equation 13, as in TRL: 0 up to limit - margin, then falling to -1 at the limit, and -1 beyond it. */
export const softOverlongPunishment = defineReward("soft_overlong_punishment", (params, tools) => {
  const limit = params.max_completion_len ?? tools.maxCompletionLength;
  const margin = params.soft_punish_cache ?? Math.floor(limit / 5);
  return ({ completionIds }) => {
    const over = completionIds.length - (limit - margin);
    if (over <= 0) return 0;
    return over > margin ? -1 : -over / margin;
  };
});
