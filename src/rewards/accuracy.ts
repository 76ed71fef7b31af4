import { isRightAnswer } from "./answers.ts";
import { defineReward } from "./reward.ts";

export const accuracy = defineReward("accuracy", ({ tolerance, marked_only: markedOnly }) => (item) => {
  const right = isRightAnswer(item.completion, item.reference, { tolerance, markedOnly });
  return right === null ? null : Number(right);
});
