import { defineReward } from "./reward.ts";

/** TRL's think_format_reward: it begins with <think>, has no second one, and closes it somewhere. */
export const thinkFormat = defineReward("think_format", () => ({ completion }) => {
  const rest = completion.startsWith("<think>") ? completion.slice("<think>".length) : undefined;
  return Number(rest?.includes("</think>") === true && !rest.includes("<think>"));
});
