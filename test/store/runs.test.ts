import { describe, expect, it } from "vitest";
import type { WorkerEvent } from "../../src/protocol/messages.ts";
import type { MetricRow, RunDetails, RunStatus } from "../../src/protocol/runs.ts";
import {
  currentRun,
  isGoing,
  NO_RUNS,
  type RunsState,
  reduce,
  rewound,
  withDetails,
  withList,
  withRollouts,
} from "../../src/store/runs.ts";

const row = (step: number, values: Record<string, number | null> = { loss: 1 / step }): MetricRow => ({
  step,
  values,
  nonFinite: [],
});
const stateAfter = (...events: readonly WorkerEvent[]): RunsState => events.reduce(reduce, NO_RUNS);
const status = (state: RunStatus): WorkerEvent => ({ type: "status", runId: "a", status: state });
const error = { code: "gpu-error", message: "It broke.", details: {}, stack: "" } as const;
const running = status({ state: "running", step: 1 });
const summary = {
  id: "a",
  name: "quiet-otter",
  algorithm: "sft",
  model: "tiny",
  dataset: "ahoy",
  status: { state: "interrupted", step: 4, reason: null },
  step: 4,
  totalSteps: 8,
  created: 1,
  updated: 2,
  hero: null,
  spark: [],
  changes: [],
  bytes: 10,
  adapterStep: null,
} as const;
const details: RunDetails = {
  summary,
  configYaml: "algorithm: sft\n",
  metrics: [row(1), row(2), row(3), row(4)],
  samples: [],
  log: [],
  checkpoints: [],
  memory: null,
};

describe("reduce", () => {
  it("does not change the state that it was given", () => {
    const before = stateAfter(running);
    const copy = structuredClone(before);
    reduce(before, { type: "metrics", runId: "a", rows: [row(1)] });
    expect(before).toEqual(copy);
  });

  it("puts a run that was unknown first", () => {
    const state = reduce(stateAfter(running), {
      type: "status",
      runId: "b",
      status: { state: "running", step: 1 },
    });
    expect(state.order).toEqual(["b", "a"]);
  });

  it("keeps a failure when a late 'done' of the same run arrives", () => {
    const state = stateAfter(
      running,
      status({ state: "failed", step: 3, error }),
      status({ state: "done", step: 3, stoppedEarly: false, reason: null }),
    );
    expect(state.runs["a"]?.status.state).toBe("failed");
  });

  it("lets a failed run that is resumed go on to its end", () => {
    const state = stateAfter(
      status({ state: "failed", step: 3, error }),
      status({ state: "preparing", what: "model", done: 0, total: 1, unit: "bytes" }),
      running,
      status({ state: "done", step: 8, stoppedEarly: false, reason: null }),
    );
    expect(state.runs["a"]?.status.state).toBe("done");
  });

  it("remembers what was prepared before the part that is being prepared", () => {
    const state = stateAfter(
      status({ state: "preparing", what: "model", done: 9, total: 9, unit: "bytes" }),
      status({ state: "preparing", what: "data", done: 1, total: 4, unit: "rows" }),
    );
    expect(Object.keys(state.runs["a"]?.prepared ?? {})).toEqual(["model", "data"]);
  });

  it("joins rows of training and evaluation of one step, and keeps the order of steps", () => {
    const state = stateAfter(
      { type: "metrics", runId: "a", rows: [row(1), row(2)] },
      { type: "metrics", runId: "a", rows: [row(2, { eval_loss: 0.4 }), row(3)] },
    );
    expect(state.runs["a"]?.rows.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(state.runs["a"]?.rows[1]?.values).toEqual({ loss: 0.5, eval_loss: 0.4 });
  });

  it("has one best checkpoint, and one of each step", () => {
    const checkpoint = (step: number, best: boolean): WorkerEvent => ({
      type: "checkpoint",
      runId: "a",
      checkpoint: { step, bytes: 1, saved: 1, best },
    });
    const state = stateAfter(checkpoint(4, true), checkpoint(2, true), checkpoint(4, false));
    expect(state.runs["a"]?.checkpoints.map(({ step, best }) => [step, best])).toEqual([
      [2, true],
      [4, false],
    ]);
  });

  it("has samples in the order of steps", () => {
    const samples = (step: number): WorkerEvent => ({
      type: "samples",
      runId: "a",
      samples: { step, samples: [] },
    });
    const state = stateAfter(samples(8), samples(0), samples(8));
    expect(state.runs["a"]?.samples.map(({ step }) => step)).toEqual([0, 8]);
  });
});

describe("saved runs", () => {
  it("adds what arrived while the details were read", () => {
    const live = stateAfter(running, { type: "metrics", runId: "a", rows: [row(5)] });
    expect(withDetails(live, details).runs["a"]?.rows.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  });

  it("lists the newest first", () => {
    const state = withList(NO_RUNS, [summary, { ...summary, id: "b", created: 5 }]);
    expect(state.order).toEqual(["b", "a"]);
  });

  it("keeps the live state of a run that goes on, over the saved one", () => {
    const state = withList(withDetails(stateAfter(running), details), [summary]);
    const again = withList(reduce(state, running), [summary]);
    expect(again.runs["a"]?.status.state).toBe("running");
  });

  it("forgets runs that are no longer there", () => {
    const state = withList(withList(NO_RUNS, [summary]), []);
    expect(state.order).toEqual([]);
  });

  it("drops the rows after the step that a run goes on from", () => {
    const state = rewound(withDetails(NO_RUNS, details), "a", 2);
    expect(state.runs["a"]?.rows.map(({ step }) => step)).toEqual([1, 2]);
  });
});

describe("the current run", () => {
  it("is the one that the worker holds", () => {
    const state = withList(NO_RUNS, [summary]);
    expect(currentRun(state)).toBeUndefined();
    expect(currentRun(reduce(state, running))?.id).toBe("a");
  });

  it("is none that the page only knows by an address", () => {
    expect(isGoing(undefined)).toBe(false);
  });
});

describe("rollouts", () => {
  const set = (step: number) => ({ step, answers: [] });
  const arrived = (...steps: readonly number[]): RunsState =>
    stateAfter(
      running,
      ...steps.map((step): WorkerEvent => ({ type: "rollouts", runId: "a", set: set(step) })),
    );

  it("are kept by step, the newest of them in memory and every step by its number", () => {
    const run = arrived(...Array.from({ length: 40 }, (_, i) => i + 1)).runs["a"];
    expect(run?.rollouts).toHaveLength(32);
    expect(run?.rollouts.at(-1)?.step).toBe(40);
    expect(run?.rolloutSteps).toHaveLength(40);
  });

  it("that are read again do not appear twice, and keep the steps in order", () => {
    const state = withRollouts(arrived(5, 9), "a", { steps: [1, 5], set: set(1) });
    expect(state.runs["a"]?.rolloutSteps).toEqual([1, 5, 9]);
    expect(withRollouts(state, "a", { steps: [1, 5, 9], set: set(1) }).runs["a"]?.rollouts).toHaveLength(3);
  });

  it("after a step are forgotten by a run that goes on from there", () => {
    const run = rewound(arrived(1, 5, 9), "a", 5).runs["a"];
    expect(run?.rolloutSteps).toEqual([1, 5]);
    expect(run?.rollouts.map(({ step }) => step)).toEqual([1, 5]);
  });
});
