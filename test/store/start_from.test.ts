import { describe, expect, it } from "vitest";
import type { RunStatus } from "../../src/protocol/runs.ts";
import { NO_RUNS, type RunView, withList } from "../../src/store/runs.ts";
import { adapterName, offersFor, runOfName } from "../../src/store/start_from.ts";
import { parseRunAdapter } from "../../src/worker/run_adapters.ts";

const DONE: RunStatus = { state: "done", step: 64, stoppedEarly: false, reason: null };

function runWith(
  id: string,
  change: { model?: string; adapterStep?: number | null; status?: RunStatus },
): RunView {
  const summary = {
    ...{ id, name: id, algorithm: "sft", model: "tiny", dataset: "ahoy", status: DONE, step: 64 },
    ...{ totalSteps: 64, created: 1, updated: 1, hero: null, spark: [], changes: [], bytes: 1 },
    adapterStep: 64,
    ...change,
  };
  const run = withList(NO_RUNS, [summary]).runs[id];
  if (!run) throw new Error("the run is listed");
  return run;
}

describe("what a run can start from", () => {
  it("is an ended run of the same model that has kept an adapter", () => {
    const runs = [
      runWith("good", {}),
      runWith("stopped", { status: { ...DONE, stoppedEarly: true } }),
      runWith("other-model", { model: "large" }),
      runWith("whole", { adapterStep: null }),
      runWith("going", { status: { state: "running", step: 3 } }),
    ];
    expect(offersFor(runs, "tiny").map(({ name }) => name)).toEqual(["run:good@64", "run:stopped@64"]);
  });

  it("is a name that the worker reads the same way", () => {
    const id = crypto.randomUUID();
    expect(parseRunAdapter(adapterName(id, 64))).toEqual({ runId: id, step: 64 });
    expect(runOfName(adapterName(id, 64))).toBe(id);
    expect(parseRunAdapter(`run:${id}`)).toEqual({ runId: id, step: null });
    for (const name of ["my-adapter", "./run:1", "run:", "run:a@b@c"]) {
      expect(parseRunAdapter(name)).toBeUndefined();
      expect(runOfName(name)).toBeUndefined();
    }
  });
});
