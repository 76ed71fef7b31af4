import { create } from "zustand";
import type { WorkerEvent } from "../protocol/messages.ts";
import type {
  CheckpointSummary,
  LogLine,
  MetricRow,
  RolloutSet,
  RunDetails,
  RunMemory,
  RunProgress,
  RunStatus,
  RunSummary,
  SampleSet,
} from "../protocol/runs.ts";
import type { Failure } from "./failure.ts";
import { mergeRows, rowsUpTo } from "./metric_rows.ts";

/** Everything known of one run, from the worker's events and from what it saved. */
export interface RunView {
  readonly id: string;
  readonly summary: RunSummary | null;
  /** The method that was asked for, until the summary says it. */
  readonly method: string | null;
  readonly status: RunStatus;
  /** What was prepared so far, by kind: the rows of the preparing state. */
  readonly prepared: Readonly<Partial<Record<Preparing["what"], Preparing>>>;
  readonly progress: RunProgress | null;
  readonly rows: readonly MetricRow[];
  readonly samples: readonly SampleSet[];
  /** The latest rollouts, and those that were looked at. */
  readonly rollouts: readonly RolloutSet[];
  /** Steps that have a rollout, here or with the worker. */
  readonly rolloutSteps: readonly number[];
  readonly checkpoints: readonly CheckpointSummary[];
  readonly log: readonly LogLine[];
  readonly memory: RunMemory | null;
  readonly configYaml: string | null;
  /** Whether the saved details were read. */
  readonly loaded: boolean;
  /** Why the last request about this run was refused. */
  readonly refused: Failure | null;
}
export type Preparing = Extract<RunStatus, { state: "preparing" }>;

export interface RunsState {
  readonly runs: Readonly<Record<string, RunView>>;
  /** Ids, newest first. */
  readonly order: readonly string[];
  readonly listed: boolean;
}

export const NO_RUNS: RunsState = { runs: {}, order: [], listed: false };
const MOST_LOG_LINES = 2000;
/** Rollouts that the page holds; the worker has all of them. */
const MOST_ROLLOUTS = 32;

const blank = (id: string): RunView => ({
  id,
  summary: null,
  method: null,
  status: { state: "preparing", what: "model", done: 0, total: 0, unit: "bytes" },
  prepared: {},
  progress: null,
  rows: [],
  samples: [],
  rollouts: [],
  rolloutSteps: [],
  checkpoints: [],
  log: [],
  memory: null,
  configYaml: null,
  loaded: false,
  refused: null,
});

/** One run changed; a run that was unknown becomes the newest. */
export function patchRun(
  state: RunsState,
  id: string,
  change: (run: RunView) => Partial<RunView>,
): RunsState {
  const run = state.runs[id] ?? blank(id);
  const order = state.order.includes(id) ? state.order : [id, ...state.order];
  return { ...state, order, runs: { ...state.runs, [id]: { ...run, ...change(run) } } };
}

const bySteps = <T extends { readonly step: number }>(old: readonly T[], one: T): readonly T[] =>
  [...old.filter((item) => item.step !== one.step), one].sort((a, b) => a.step - b.step);

/** A failure stays a failure: a late "done" of the same run does not turn it into a success. */
const nextStatus = (before: RunStatus, after: RunStatus): RunStatus =>
  before.state === "failed" && after.state === "done" ? before : after;

function withStatus(run: RunView, status: RunStatus): Partial<RunView> {
  const next = nextStatus(run.status, status);
  const fresh = run.status.state !== "preparing" && next.state === "preparing";
  const prepared =
    next.state === "preparing" ? { ...(fresh ? {} : run.prepared), [next.what]: next } : run.prepared;
  return { status: next, prepared, refused: null };
}

const withCheckpoint = (run: RunView, one: CheckpointSummary): Partial<RunView> => {
  const others = one.best ? run.checkpoints.map((item) => ({ ...item, best: false })) : run.checkpoints;
  return { checkpoints: bySteps(others, one) };
};

const inOrder = (steps: readonly number[]): readonly number[] => [...new Set(steps)].sort((a, b) => a - b);

/** A rollout that arrived or was read. What was touched longest ago goes first. */
export const withRollout = (run: RunView, set: RolloutSet): Partial<RunView> => {
  const others = run.rollouts.filter(({ step }) => step !== set.step);
  return {
    rollouts: [...others, set].slice(-MOST_ROLLOUTS),
    rolloutSteps: inOrder([...run.rolloutSteps, set.step]),
  };
};

/** What an event of the worker makes of the runs. Pure. */
export function reduce(state: RunsState, event: WorkerEvent): RunsState {
  switch (event.type) {
    case "status":
      return patchRun(state, event.runId, (run) => withStatus(run, event.status));
    case "metrics":
      return patchRun(state, event.runId, (run) => ({ rows: mergeRows(run.rows, event.rows) }));
    case "progress":
      return patchRun(state, event.runId, () => ({ progress: event.progress }));
    case "samples":
      return patchRun(state, event.runId, (run) => ({ samples: bySteps(run.samples, event.samples) }));
    case "rollouts":
      return patchRun(state, event.runId, (run) => withRollout(run, event.set));
    case "checkpoint":
      return patchRun(state, event.runId, (run) => withCheckpoint(run, event.checkpoint));
    case "log":
      return patchRun(state, event.runId, (run) => ({
        log: [...run.log, event.line].slice(-MOST_LOG_LINES),
      }));
    case "answer":
    case "download":
    case "device-lost":
    case "sandbox-wanted":
    case "export":
      return state;
  }
}

/** The saved list of runs beside what is known of those that are going on. */
export function withList(state: RunsState, list: readonly RunSummary[]): RunsState {
  const sorted = [...list].sort((a, b) => b.created - a.created);
  const known = new Set(sorted.map(({ id }) => id));
  const others = state.order.filter((id) => !known.has(id) && isGoing(state.runs[id]));
  const runs: Record<string, RunView> = {};
  for (const id of others) runs[id] = state.runs[id] ?? blank(id);
  for (const summary of sorted) {
    const run = state.runs[summary.id] ?? blank(summary.id);
    runs[summary.id] = { ...run, summary, status: isGoing(run) ? run.status : summary.status };
  }
  return { runs, order: [...others, ...sorted.map(({ id }) => id)], listed: true };
}

/** The saved details of a run under what arrived since they were asked for. */
export function withDetails(state: RunsState, details: RunDetails): RunsState {
  return patchRun(state, details.summary.id, (run) => ({
    summary: details.summary,
    status: isGoing(run) && run.summary !== null ? run.status : details.summary.status,
    configYaml: details.configYaml,
    memory: details.memory ?? run.memory,
    rows: mergeRows(details.metrics, run.rows),
    samples: run.samples.reduce(bySteps, details.samples),
    checkpoints: details.checkpoints,
    log: details.log.length >= run.log.length ? details.log : run.log,
    loaded: true,
  }));
}

/** A run that goes on from a step has no rows after it. */
export const rewound = (state: RunsState, id: string, step: number): RunsState =>
  patchRun(state, id, (run) => ({
    rows: rowsUpTo(run.rows, step),
    samples: run.samples.filter((set) => set.step <= step),
    rollouts: run.rollouts.filter((set) => set.step <= step),
    rolloutSteps: run.rolloutSteps.filter((other) => other <= step),
    progress: null,
  }));

/** What the worker has of rollouts, with the one that was asked for. */
export const withRollouts = (
  state: RunsState,
  id: string,
  { steps, set }: { readonly steps: readonly number[]; readonly set: RolloutSet | null },
): RunsState =>
  patchRun(state, id, (run) => {
    const next = set ? withRollout(run, set) : {};
    return { ...next, rolloutSteps: inOrder([...(next.rolloutSteps ?? run.rolloutSteps), ...steps]) };
  });

export function withoutRun(state: RunsState, id: string): RunsState {
  const { [id]: _gone, ...runs } = state.runs;
  return { ...state, runs, order: state.order.filter((other) => other !== id) };
}

const GOING: readonly RunStatus["state"][] = ["preparing", "running", "pausing", "paused"];

/** Whether the worker holds this run now. */
export const isGoing = (run: RunView | undefined): boolean =>
  run !== undefined &&
  GOING.includes(run.status.state) &&
  (run.summary !== null || run.progress !== null || Object.keys(run.prepared).length > 0);

/** The run that the worker holds now, if any. */
export const currentRun = (state: RunsState): RunView | undefined =>
  state.order.map((id) => state.runs[id]).find((run) => isGoing(run));

/** The last step that the page knows of. */
export const stepOf = (run: RunView): number =>
  Math.max("step" in run.status ? run.status.step : 0, run.progress?.step ?? 0, run.rows.at(-1)?.step ?? 0);

export const totalStepsOf = (run: RunView): number | null =>
  run.progress?.totalSteps ?? run.summary?.totalSteps ?? null;

/** The id of the run's method. */
export const methodIdOf = (run: RunView): string => run.summary?.algorithm ?? run.method ?? "sft";

export const nameOf = (run: RunView): string => run.summary?.name ?? "New run";

export const useRuns = create<RunsState>(() => NO_RUNS);
