import type { RolloutAnswer } from "../../protocol/runs.ts";

/** The answers to one prompt. */
export interface RolloutGroup {
  readonly id: number;
  readonly prompt: unknown;
  readonly reference: string | null;
  readonly answers: readonly RolloutAnswer[];
  /** The mean of the totals that there are; null when no reward applied. */
  readonly mean: number | null;
  /** All totals are the same, so that the group teaches nothing. Never for a single answer. */
  readonly isSame: boolean;
}

export type Order = "made" | "best" | "worst";

/** Answers by their prompts, in the order in which they were made. */
export function groupAnswers(answers: readonly RolloutAnswer[]): readonly RolloutGroup[] {
  const groups = new Map<number, RolloutAnswer[]>();
  for (const answer of answers) groups.set(answer.group, [...(groups.get(answer.group) ?? []), answer]);
  return [...groups].map(([id, own]) => {
    const totals = own.flatMap(({ reward }) => (reward === null ? [] : [reward]));
    return {
      ...{ id, answers: own, prompt: own[0]?.prompt ?? "", reference: own[0]?.reference ?? null },
      mean: totals.length > 0 ? totals.reduce((sum, total) => sum + total, 0) / totals.length : null,
      isSame: own.length > 1 && totals.every((total) => total === totals[0]),
    };
  });
}

/** By reward; answers that no reward applied to come last either way. */
export function sortAnswers(answers: readonly RolloutAnswer[], order: Order): readonly RolloutAnswer[] {
  if (order === "made") return answers;
  const sign = order === "best" ? -1 : 1;
  return answers.toSorted((a, b) => {
    if (a.reward === null || b.reward === null) return Number(a.reward === null) - Number(b.reward === null);
    return sign * (a.reward - b.reward);
  });
}

/** The largest advantage either way: the length of a whole bar. */
export const widestAdvantage = (answers: readonly RolloutAnswer[]): number =>
  answers.reduce((most, { advantage }) => Math.max(most, Math.abs(advantage) || 0), 0);

/** The names of the rewards, in the order of the configuration. */
export const rewardNames = (answers: readonly RolloutAnswer[]): readonly string[] => [
  ...new Set(answers.flatMap(({ rewards }) => Object.keys(rewards))),
];

interface Turn {
  readonly role: string;
  readonly content: string;
}

const isTurn = (turn: unknown): turn is Turn =>
  typeof turn === "object" &&
  turn !== null &&
  "role" in turn &&
  "content" in turn &&
  typeof turn.role === "string" &&
  typeof turn.content === "string";

/** A prompt for people: a question alone as it is, a conversation with who says what. */
export function promptText(prompt: unknown): string {
  if (typeof prompt === "string") return prompt;
  if (!Array.isArray(prompt) || !prompt.every(isTurn)) return JSON.stringify(prompt);
  const [only, ...more] = prompt;
  if (only && more.length === 0) return only.content;
  return prompt.map(({ role, content }) => `${role}: ${content}`).join("\n");
}
