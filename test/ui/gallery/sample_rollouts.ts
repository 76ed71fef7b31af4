import type { RolloutAnswer, RolloutSet } from "../../../src/protocol/runs.ts";

const THINKS =
  "Let us see. The tens are added first and then the ones. We carry when the ones are more than nine. The ones are nine and seven, which makes sixteen, so we write six and carry one. Then the tens are nine and seven and one, which makes";
const FAILED = "TypeError: x is undefined (line 4)";

type Made = Pick<RolloutAnswer, "completion" | "rewards" | "length" | "truncated" | "errors">;

const right = (n: string): Made => ({
  completion: `Let us see.\n#### ${n}`,
  rewards: { accuracy: 1, format: 1, my_reward: 0.25 },
  ...{ length: 12, truncated: false },
});
const wrong = (n: string): Made => ({ ...right(n), rewards: { accuracy: 0, format: 1, my_reward: 0.25 } });
const bare = (n: string): Made => ({
  completion: n,
  rewards: { accuracy: 1, format: 0, my_reward: 0 },
  ...{ length: 4, truncated: false },
});
const cut = (): Made => ({
  completion: THINKS,
  rewards: { accuracy: null, format: 0, my_reward: 0.25 },
  ...{ length: 64, truncated: true },
});
const failed = (n: string): Made => ({
  ...wrong(n),
  rewards: { accuracy: 0, format: 1, my_reward: null },
  errors: { my_reward: FAILED },
});

const GROUPS: readonly (readonly [string, string, readonly Made[]])[] = [
  ["What is 99+77?", "176", [right("176"), cut(), wrong("166"), bare("176")]],
  ["Compute 24+22.", "46", [right("46"), wrong("44"), wrong("56"), failed("47")]],
  ["What is 87-75?", "12", [wrong("13"), right("12"), right("12"), wrong("2")]],
  ["94-88=?", "6", [right("6"), right("6"), right("6"), right("6")]],
];

/** A reward of one's own that fails on every answer. */
export const failingSet = (step: number): RolloutSet => {
  const set = rolloutSet(step);
  return {
    ...set,
    answers: set.answers.map((answer) => ({
      ...answer,
      rewards: { ...answer.rewards, my_reward: null },
      errors: { my_reward: FAILED },
    })),
  };
};

/** Four prompts with four answers each, made up; the last group has no signal. */
export function rolloutSet(step: number): RolloutSet {
  const answers = GROUPS.flatMap(([question, reference, made], group) => {
    const totals = made.map(({ rewards }) =>
      Object.values(rewards).reduce((sum: number, value) => sum + (value ?? 0), 0),
    );
    const mean = totals.reduce((sum, total) => sum + total, 0) / totals.length;
    const spread = Math.sqrt(totals.reduce((sum, total) => sum + (total - mean) ** 2, 0) / 3) + 1e-4;
    return made.map((answer, i) => ({
      ...{ rollout: step - 1, step, group: (step - 1) * GROUPS.length + group, reference },
      row: group,
      prompt: [{ role: "user", content: question }],
      ...answer,
      reward: totals[i] ?? null,
      advantage: ((totals[i] ?? 0) - mean) / spread,
    }));
  });
  return { step, answers };
}
