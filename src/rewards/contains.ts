import { markedAnswer } from "./answers.ts";
import { defineReward } from "./reward.ts";

export const contains = defineReward("contains", ({ values, mode, ignore_case: ignoreCase }) => {
  const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text);
  return ({ completion, reference }) => {
    const answer = reference === null ? "" : (markedAnswer(reference) ?? reference).trim();
    const wanted = values.length > 0 ? values : [answer].filter((text) => text !== "");
    if (wanted.length === 0) return null;
    const found = wanted.filter((text) => fold(completion).includes(fold(text))).length;
    if (mode === "share") return found / wanted.length;
    return Number(mode === "any" ? found > 0 : found === wanted.length);
  };
});
