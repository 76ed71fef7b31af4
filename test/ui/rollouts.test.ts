import { describe, expect, it } from "vitest";
import type { RolloutAnswer } from "../../src/protocol/runs.ts";
import {
  groupAnswers,
  promptText,
  rewardNames,
  sortAnswers,
  widestAdvantage,
} from "../../src/ui/rollouts/groups.ts";
import { failedReward } from "../../src/ui/run/reward_failure.ts";

const answer = (group: number, reward: number | null, more: Partial<RolloutAnswer> = {}): RolloutAnswer => ({
  ...{ rollout: 0, step: 1, row: null, group, reward, prompt: "Why?", completion: "Because.", rewards: {} },
  ...{ advantage: 0, length: 2, truncated: false, reference: null },
  ...more,
});

describe("groups", () => {
  it("hold the answers to one prompt, in order, with their mean", () => {
    const groups = groupAnswers([answer(7, 1), answer(8, 0), answer(7, 0), answer(8, 0)]);
    expect(groups.map(({ id, mean, isSame, answers }) => [id, mean, isSame, answers.length])).toEqual([
      [7, 0.5, false, 2],
      [8, 0, true, 2],
    ]);
  });

  it("have no mean where no reward applied, and a mean of those that did", () => {
    const [none, some] = groupAnswers([answer(0, null), answer(0, null), answer(1, null), answer(1, 1)]);
    expect(none).toMatchObject({ mean: null, isSame: true });
    expect(some).toMatchObject({ mean: 1, isSame: true });
  });

  it("of one answer cannot lack a signal", () => {
    expect(groupAnswers([answer(0, 1)])[0]?.isSame).toBe(false);
  });
});

describe("the order of answers", () => {
  const answers = [answer(0, 0.5), answer(0, null), answer(0, 1), answer(0, 0)];
  const totals = (order: "made" | "best" | "worst") =>
    sortAnswers(answers, order).map(({ reward }) => reward);

  it("is by reward, with those that have none at the end", () => {
    expect(totals("made")).toEqual([0.5, null, 1, 0]);
    expect(totals("best")).toEqual([1, 0.5, 0, null]);
    expect(totals("worst")).toEqual([0, 0.5, 1, null]);
  });
});

describe("what a rollout is drawn by", () => {
  it("is the widest advantage either way", () => {
    expect(widestAdvantage([answer(0, 1, { advantage: 0.5 }), answer(0, 0, { advantage: -1.5 })])).toBe(1.5);
    expect(widestAdvantage([answer(0, 1, { advantage: Number.NaN })])).toBe(0);
  });

  it("is every reward that scored some answer", () => {
    const rewards = [{ accuracy: 1 }, { accuracy: 0, format: null }];
    expect(rewardNames(rewards.map((own) => answer(0, 1, { rewards: own })))).toEqual(["accuracy", "format"]);
  });

  it("is a prompt as people write it", () => {
    expect(promptText("Why?")).toBe("Why?");
    expect(promptText([{ role: "user", content: "Why?" }])).toBe("Why?");
    expect(
      promptText([
        { role: "system", content: "Be brief." },
        { role: "user", content: "Why?" },
      ]),
    ).toBe("system: Be brief.\nuser: Why?");
    expect(promptText({ text: "Why?" })).toBe('{"text":"Why?"}');
  });
});

describe("a reward that fails", () => {
  const set = (failing: number, of = 10) => ({
    step: 1,
    answers: Array.from({ length: of }, (_, i) =>
      answer(0, 1, {
        completion: `answer ${i}`,
        row: 100 + i,
        rewards: { accuracy: 1, mine: i < failing ? null : 1 },
        ...(i < failing ? { errors: { mine: `TypeError ${i}` } } : {}),
      }),
    ),
  });

  it("is named with its place and its first failure from more than a fifth of the answers on", () => {
    expect(failedReward(set(2))).toBeNull();
    expect(failedReward(set(3))).toEqual({
      ...{ name: "mine", index: 1, failures: 3, answers: 10 },
      ...{ message: "TypeError 0", completion: "answer 0", row: 100 },
    });
  });

  it("is none where every reward was merely not applicable", () => {
    const answers = [answer(0, null, { rewards: { mine: null } })];
    expect(failedReward({ step: 1, answers })).toBeNull();
  });
});
