import { AppError } from "../lib/errors.ts";
import type { Download } from "../protocol/runs.ts";
import type { GivenSettings, PickedFiles } from "../protocol/values.ts";
import { noteError } from "./app.ts";
import { request } from "./client.ts";
import { clearDownloads } from "./downloads.ts";
import {
  isGoing,
  patchRun,
  rewound,
  stepOf,
  useRuns,
  withDetails,
  withList,
  withoutRun,
  withRollouts,
} from "./runs.ts";
import { useSetup } from "./setup.ts";

/** What the page asks about runs. A refusal is kept with the run, where it is shown. */

export interface StartRequest {
  /** The method, which the page shows while the run is being prepared. */
  readonly method: string;
  readonly given: GivenSettings;
  readonly recipe: string | null;
  readonly files: PickedFiles;
  readonly name: string | null;
  readonly skipBadRows: boolean;
  /** Reads from the hub what there is no room for here. */
  readonly unkept?: boolean;
}

/**
 * Starts a run and returns its id: from the worker's answer, or from its first event about a run that the page did not
 * know, so that preparing is seen. Rejects when the start was refused before that. A run whose preparation was cancelled
 * never was: it is gone.
 */
export function startRun({ method, ...wanted }: StartRequest): Promise<string> {
  const known = new Set(useRuns.getState().order);
  return new Promise((resolve, reject) => {
    let early: string | undefined;
    const stopListening = useRuns.subscribe(({ order }) => {
      if (early !== undefined) return;
      early = order.find((id) => !known.has(id));
      if (early === undefined) return;
      const id = early;
      useRuns.setState((state) => patchRun(state, id, () => ({ method })));
      resolve(id);
    });
    request("start", wanted)
      .then(
        ({ runId }) => {
          useRuns.setState((state) => patchRun(state, runId, () => ({ method })));
          resolve(runId);
          return Promise.all([loadRuns(), loadRun(runId)]);
        },
        (error: unknown) => {
          if (isCancelled(error)) dropRun(early);
          else {
            const failure = noteError(error);
            if (early !== undefined) failRun(early, failure);
          }
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      )
      .finally(stopListening);
  });
}

const isCancelled = (error: unknown): boolean => error instanceof AppError && error.code === "cancelled";

function dropRun(id: string | undefined): void {
  clearDownloads();
  if (id !== undefined) useRuns.setState((state) => withoutRun(state, id));
}

function failRun(id: string, error: ReturnType<typeof noteError>): void {
  useRuns.setState((state) =>
    patchRun(state, id, (run) =>
      run.status.state === "failed" ? {} : { status: { state: "failed", step: 0, error }, refused: null },
    ),
  );
}

/** Runs a request about a run; a refusal is kept there and `undefined` is returned. */
async function about<T>(runId: string, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    const result = await ask();
    useRuns.setState((state) =>
      state.runs[runId] ? patchRun(state, runId, () => ({ refused: null })) : state,
    );
    return result;
  } catch (error) {
    if (isCancelled(error)) return undefined;
    const refused = noteError(error);
    useRuns.setState((state) => patchRun(state, runId, () => ({ refused })));
    return undefined;
  }
}

/**
 * Ends the preparation of a run, and what is downloaded for it. A run that never trained is gone then, which is what `true`
 * says; one that was to go on stands where it stood.
 */
export async function cancelPreparing(runId: string): Promise<boolean> {
  const run = useRuns.getState().runs[runId];
  const done = await about(runId, () => request("cancelPreparing", { runId }));
  if (done === undefined) return false;
  clearDownloads();
  // It is stored when it is prepared, and known from its events alone until then.
  const isNew = run !== undefined && run.summary === null && stepOf(run) === 0;
  if (isNew) dropRun(runId);
  return isNew;
}

export const pauseRun = (runId: string): Promise<unknown> => about(runId, () => request("pause", { runId }));
export const continueRun = (runId: string): Promise<unknown> =>
  about(runId, () => request("continue", { runId }));
export const stepRun = (runId: string): Promise<unknown> =>
  about(runId, () => request("stepOnce", { runId }));
export const stopRun = (runId: string): Promise<unknown> =>
  about(runId, async () => {
    await request("stop", { runId });
    await loadRun(runId);
  });

/** Deletes a run and all it saved. Returns whether that was done. */
export async function discardRun(runId: string): Promise<boolean> {
  const done = await about(runId, () => request("discard", { runId }));
  if (done === undefined) return false;
  useRuns.setState((state) => withoutRun(state, runId));
  return true;
}

/** Goes on from a checkpoint, the latest when `step` is null. A refusal leaves the run as it was. */
export async function resumeRun(runId: string, step: number | null, unkept = false): Promise<void> {
  const before = useRuns.getState().runs[runId];
  const result = await about(runId, async () => {
    if (step !== null) useRuns.setState((state) => rewound(state, runId, step));
    // Files do not outlive the page: those that were picked again for the setup are the ones that the run had.
    const { files } = useSetup.getState();
    return request("resume", { runId, step, files, ...(unkept && { unkept }) });
  });
  useRuns.setState((state) => {
    // Deleted while it was being prepared.
    if (state.runs[runId] === undefined) return state;
    return patchRun(state, runId, (run) => {
      if (result) return { summary: run.summary && { ...run.summary, totalSteps: result.totalSteps } };
      return before ? { ...before, refused: run.refused } : {};
    });
  });
}

export async function renameRun(runId: string, name: string): Promise<void> {
  await about(runId, async () => {
    await request("rename", { runId, name });
    useRuns.setState((state) =>
      patchRun(state, runId, ({ summary }) => ({ summary: summary && { ...summary, name } })),
    );
  });
}

export async function deleteCheckpoint(runId: string, step: number): Promise<void> {
  await about(runId, async () => {
    await request("deleteCheckpoint", { runId, step });
    useRuns.setState((state) =>
      patchRun(state, runId, (run) => ({
        checkpoints: run.checkpoints.filter((checkpoint) => checkpoint.step !== step),
      })),
    );
  });
}

export async function loadRuns(): Promise<void> {
  try {
    const { runs } = await request("runs", {});
    useRuns.setState((state) => withList(state, runs));
  } catch (error) {
    noteError(error);
    useRuns.setState({ listed: true });
  }
}

export async function loadRun(runId: string): Promise<void> {
  const ask = async (): Promise<void> => {
    const details = await request("run", { runId });
    useRuns.setState((state) => withDetails(state, details));
  };
  // A browser that keeps nothing cannot read a run back: the one that is going on is on the page all the same.
  if (isGoing(useRuns.getState().runs[runId])) await ask().catch(noteError);
  else await about(runId, ask);
}

/** Reads the rollout of a step, the latest when it is null, unless the page has it. */
export async function loadRollout(runId: string, step: number | null): Promise<void> {
  const run = useRuns.getState().runs[runId];
  if (step !== null && run?.rollouts.some((set) => set.step === step)) return;
  await about(runId, async () => {
    const found = await request("rollouts", { runId, step });
    useRuns.setState((state) => withRollouts(state, runId, found));
  });
}

export type DownloadKind = "rollouts" | "adapter" | "metrics-csv" | "metrics-jsonl" | "config";

/** Asks the worker for a file of a run. */
export function downloadOf(
  runId: string,
  kind: DownloadKind,
  step: number | null = null,
): Promise<Download | undefined> {
  return about(runId, () => {
    switch (kind) {
      case "adapter":
        return request("exportAdapter", { runId, step });
      case "metrics-csv":
        return request("exportMetrics", { runId, format: "csv" });
      case "metrics-jsonl":
        return request("exportMetrics", { runId, format: "jsonl" });
      case "rollouts":
        return request("exportRollouts", { runId });
      case "config":
        return request("exportRunConfig", { runId, shape: "flat" });
    }
  });
}
