import { describe, expect, it } from "vitest";
import { NO_RUNS, type RunView, reduce } from "../../src/store/runs.ts";
import { spokenProgress, spokenStatus } from "../../src/store/spoken.ts";

const LOSS = { metric: "loss", title: "Loss", better: "lower" } as const;
const REWARD = { metric: "reward", title: "Reward", better: "higher" } as const;

function at(step: number): RunView | undefined {
  const running = reduce(NO_RUNS, { type: "status", runId: "a", status: { state: "running", step } });
  const progress = {
    step,
    totalSteps: 20,
    epoch: 0,
    tokensPerSecond: 1,
    secondsLeft: 40,

    gpuPeakBytes: 1,
  };
  return reduce(running, { type: "progress", runId: "a", progress }).runs["a"];
}

describe("what is said aloud", () => {
  it("is a change of state, once", () => {
    expect(
      spokenStatus("otter", { state: "running", step: 3 }, { state: "running", step: 4 }),
    ).toBeUndefined();
    expect(
      spokenStatus(
        "otter",
        { state: "pausing", step: 4 },
        { state: "paused", step: 4, saved: true, reason: null },
      ),
    ).toBe("Paused at step 4. Saved.");
  });

  it("is a tenth of the run and never each step", () => {
    const [one, two, three] = [at(1), at(2), at(3)];
    if (!one || !two || !three) throw new Error("the runs are there");
    expect(spokenProgress(one, two, LOSS)).toBe("10 %. 40 seconds left.");
    expect(spokenProgress(two, three, LOSS)).toBeUndefined();
  });

  it("is the number that the method is judged by", () => {
    const [one, two] = [at(1), at(2)];
    if (!one || !two) throw new Error("the runs are there");
    const rows = [{ step: 2, values: { loss: 0, reward: 0.484 }, nonFinite: [] }];
    expect(spokenProgress(one, { ...two, rows }, REWARD)).toBe("10 %. Reward 0.48. 40 seconds left.");
  });
});
