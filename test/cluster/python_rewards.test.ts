import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BUILT_IN } from "../../src/rewards/registry.ts";
import type { Reward } from "../../src/rewards/reward.ts";
import { LONGEST, type RewardCase, rewardCases } from "./reward_cases.ts";

const RECORDED = new URL("python_rewards.json", import.meta.url);
const cases = rewardCases();
// `RECORD=FILE vitest run ...` writes what scripts/record_cluster_rewards.py gives to Python.
const out = process.env["CASES_TO"];
if (out !== undefined) writeFileSync(out, JSON.stringify({ longest: LONGEST, cases }));

function score({ type, params, text, ids, reference }: RewardCase): number | null {
  const reward = BUILT_IN[type] as unknown as Reward;
  const item = { prompt: "", completion: text, completionIds: ids, reference, row: {}, truncated: false };
  return reward.create(params as never, { maxCompletionLength: LONGEST })(item);
}

describe("text_rewards.py", () => {
  const recorded = JSON.parse(readFileSync(RECORDED, "utf8")) as (number | null)[];
  const types = [...new Set(cases.map(({ type }) => type))];

  it("was recorded on these cases", () => expect(recorded.length).toBe(cases.length));

  it.each(types)("gave the numbers of %s", (type) => {
    const wrong = cases.flatMap((one, i) => {
      const [here, python] = [score(one), recorded[i] ?? null];
      const same = here === null || python === null ? here === python : Math.abs(here - python) <= 1e-9;
      return one.type !== type || same ? [] : [{ ...one, here, python }];
    });
    expect(wrong).toEqual([]);
  });
});
