import { isRightAnswer } from "./answers.ts";
import { defineReward } from "./reward.ts";
import { words } from "./words.ts";

const STEPS = [
  "first",
  "second",
  "next",
  "then",
  "finally",
  "therefore",
  "thus",
  "hence",
  "because",
  "since",
  "step",
].map((word) => new RegExp(`\\b${word}\\b`, "i"));
const UNITS =
  /\$|%|\b(?:dollars?|cents?|percent|hours?|minutes?|seconds?|days?|weeks?|years?|miles?|km|kilomet\w+|met(?:er|re)s?|cm|feet|inch(?:es)?|kg|grams?|pounds?|lit(?:er|re)s?|degrees?)\b/gi;

/** 0.4 for two words of reasoning, 0.2 for one; 0.3 for a number or operator; 0.2 for three sentences; 0.1 for an answer. */
function reasoning(text: string): number {
  const steps = STEPS.filter((word) => word.test(text)).length;
  const sentences = text.split(".").filter((part) => part.trim() !== "").length;
  return (
    (steps >= 2 ? 0.4 : steps * 0.2) +
    (/[\d+*/=×÷]/.test(text) ? 0.3 : 0) +
    (sentences >= 3 ? 0.2 : 0) +
    (/\b(?:answer|result|solution|total)\b/i.test(text) ? 0.1 : 0)
  );
}

/** 0.2 LaTeX, 0.3 an operation, 0.2 an equal sign, 0.1 a unit up to 0.2, 0.1 when over half of the words differ. */
function form(text: string): number {
  const all = words(text.toLowerCase());
  return (
    (/\\[a-zA-Z]+|\$[^$\n]+\$/.test(text) ? 0.2 : 0) +
    (/\d\s*[-+*/×÷]\s*\d/.test(text) ? 0.3 : 0) +
    (text.includes("=") ? 0.2 : 0) +
    Math.min(0.2, 0.1 * (text.match(UNITS)?.length ?? 0)) +
    (new Set(all).size > all.length / 2 ? 0.1 : 0)
  );
}

export const mathReasoning = defineReward("math_reasoning", (params) => ({ completion, reference }) => {
  const rules = { tolerance: 1e-6, markedOnly: false };
  const right = params.check_correctness ? isRightAnswer(completion, reference, rules) : null;
  const parts = [
    ...(right === null ? [] : [Number(right)]),
    ...(params.check_reasoning ? [reasoning(completion)] : []),
    ...(params.check_format ? [form(completion)] : []),
  ];
  return parts.length === 0 ? null : parts.reduce((sum, part) => sum + part, 0) / parts.length;
});
