import type { RolloutSet } from "../../protocol/runs.ts";
import { rewardNames } from "../rollouts/groups.ts";

/** As the trainer: more than this share of a reward's calls failing pauses a run. */
const MOST_FAILURES = 0.2;

export interface RewardFailure {
  readonly name: string;
  /** Its place in the list of rewards. */
  readonly index: number;
  readonly failures: number;
  readonly answers: number;
  /** What the first failed call said, and on which answer. */
  readonly message: string;
  readonly completion: string;
  /** The row of the dataset that this answer is to. */
  readonly row: number | null;
}

/** The reward that failed on too many answers of a rollout, if there is one; the worst when there are several. */
export function failedReward({ answers }: RolloutSet): RewardFailure | null {
  const found = rewardNames(answers).map((name, index) => {
    const failed = answers.filter(({ errors }) => errors?.[name] !== undefined);
    const [first] = failed;
    return {
      ...{ name, index, failures: failed.length, answers: answers.length },
      message: first?.errors?.[name] ?? "",
      completion: first?.completion ?? "",
      row: first?.row ?? null,
    };
  });
  const [worst] = found.toSorted((a, b) => b.failures - a.failures);
  return worst && worst.failures > MOST_FAILURES * worst.answers ? worst : null;
}
