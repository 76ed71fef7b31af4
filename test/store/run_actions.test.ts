import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AppError } from "../../src/lib/errors.ts";
import { useApp } from "../../src/store/app.ts";
import { cancelPreparing, discardRun, resumeRun, startRun } from "../../src/store/run_actions.ts";
import { NO_RUNS, reduce, useRuns } from "../../src/store/runs.ts";
import { type Answering, answerWith } from "./answering.ts";

let worker: Answering;
let cancel = () => {};
/** As the worker: what is cancelled rejects when that was asked, before or after the answer to it. */
const cancelled = () =>
  new Promise<never>((_, reject) => {
    cancel = () => reject(new AppError("cancelled", "Cancelled."));
  });
const end = async () => {
  cancel();
  return {};
};
beforeEach(() => {
  useRuns.setState(NO_RUNS);
  useApp.setState({ errors: [] });
  worker = answerWith({ start: cancelled, resume: cancelled, cancelPreparing: end, discard: end });
});
afterEach(() => worker.close());

const prepare = (runId: string) =>
  useRuns.setState((state) =>
    reduce(state, {
      ...{ type: "status", runId },
      status: { state: "preparing", what: "model", done: 1, total: 9, unit: "bytes" },
    }),
  );
async function started(): Promise<string> {
  const start = startRun({
    ...{ method: "sft", given: {}, recipe: null, files: {}, name: null, skipBadRows: false },
  });
  prepare("new");
  return start;
}
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("a run whose preparation is cancelled", () => {
  it("is gone when it never began, and nothing failed", async () => {
    expect(await started()).toBe("new");
    expect(await cancelPreparing("new")).toBe(true);
    await settled();
    expect(useRuns.getState()).toMatchObject({ runs: {}, order: [] });
    expect(useApp.getState().errors).toEqual([]);
  });

  it("is gone when it is discarded meanwhile", async () => {
    await started();
    expect(await discardRun("new")).toBe(true);
    await settled();
    expect(useRuns.getState().order).toEqual([]);
  });

  it("stands where it stood when it was to go on", async () => {
    const status = { state: "interrupted", step: 8, reason: null } as const;
    useRuns.setState((state) => reduce(state, { type: "status", runId: "old", status }));
    const resuming = resumeRun("old", null);
    prepare("old");
    useRuns.setState((state) => reduce(state, { type: "metrics", runId: "old", rows: [row(8)] }));
    expect(await cancelPreparing("old")).toBe(false);
    await resuming;
    expect(useRuns.getState().runs["old"]).toMatchObject({ status, refused: null });
    const again = resumeRun("old", null);
    prepare("old");
    await discardRun("old");
    await again;
    expect(useRuns.getState().runs["old"]).toBeUndefined();
  });
});

const row = (step: number) => ({ step, values: { loss: 1 }, nonFinite: [] });
