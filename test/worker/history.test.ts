import { describe, expect, it } from "vitest";
import type { RunRecord } from "../../src/storage/database.ts";
import { statusOf } from "../../src/worker/history.ts";

const run: RunRecord = {
  ...{ id: "r", name: "quiet-otter", algorithm: "grpo", model: "m", dataset: "d", config: "" },
  ...{ status: "paused", step: 3, maxSteps: 9, created: 1, updated: 2 },
  ...{ heroMetric: null, bestStep: null, pinned: false, error: null },
};

describe("a stored run", () => {
  it("says after a reload why it had paused by itself", () => {
    const reason = "The reward mine failed on 9 of 16 answers.";
    expect(statusOf({ ...run, reason }, undefined)).toEqual({ state: "interrupted", step: 3, reason });
    expect(statusOf(run, undefined)).toEqual({ state: "interrupted", step: 3, reason: null });
    // It went on since: the reason is of the past.
    expect(statusOf({ ...run, reason, status: "running" }, undefined)).toMatchObject({ reason: null });
  });
});
