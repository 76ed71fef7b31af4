import { create } from "zustand";
import type {
  ExportDtype,
  ExportKind,
  ExportPlan,
  ExportProgress,
  ExportResult,
  UploadRequest,
} from "../protocol/exports.ts";
import { announce, noteError } from "./app.ts";
import { request } from "./client.ts";
import { EMPTY, type Failure, type Loadable } from "./failure.ts";
import { useSetup } from "./setup.ts";

/** The dialog in which a run is saved or uploaded. A token is never kept here: it passes through `uploadRun` alone. */

export type ExportTask = ExportKind | "upload";

export interface ExportState {
  readonly runId: string | null;
  readonly step: number | null;
  readonly plan: Loadable<ExportPlan>;
  /** What is going on. */
  readonly task: { readonly kind: ExportTask; readonly progress: ExportProgress | null } | null;
  /** How the last task of each kind ended. */
  readonly ended: Readonly<Partial<Record<ExportTask, Ended>>>;
}

type Ended =
  | { readonly state: "saved"; readonly fileName: string; readonly bytes: number }
  | { readonly state: "uploaded"; readonly repo: string; readonly url: string }
  | { readonly state: "failed"; readonly failure: Failure };

const CLOSED: ExportState = { runId: null, step: null, plan: EMPTY, task: null, ended: {} };

export const useExport = create<ExportState>(() => CLOSED);

/** Opens the dialog for a run: for its last checkpoint, or the one of `step`. */
export async function openExport(runId: string, step: number | null = null): Promise<void> {
  const { task, runId: before } = useExport.getState();
  // What is going on for this run goes on while the dialog is closed.
  if (task === null || before !== runId) useExport.setState({ ...CLOSED, runId, step });
  useExport.setState({ runId, plan: { state: "loading", value: null } });
  try {
    const { files } = useSetup.getState();
    const plan = await request("planExport", { runId, step, files });
    if (useExport.getState().runId === runId) useExport.setState({ plan: { state: "ready", value: plan } });
  } catch (error) {
    const failure = noteError(error);
    if (useExport.getState().runId === runId)
      useExport.setState({ plan: { state: "failed", error: failure } });
  }
}

/** Closes it and ends what is going on: a dialog that is gone cannot say how it went. */
export function closeExport(): void {
  cancelExport();
  useExport.setState(CLOSED);
}

export function cancelExport(): void {
  const { runId, task } = useExport.getState();
  if (runId !== null && task) void request("cancelExport", { runId }).catch(noteError);
}

export function noteProgress(runId: string, progress: ExportProgress): void {
  const { runId: mine, task } = useExport.getState();
  if (mine === runId && task) useExport.setState({ task: { ...task, progress } });
}

async function during<T>(
  kind: ExportTask,
  work: () => Promise<T>,
  end: (result: T) => Ended,
): Promise<T | null> {
  const { runId } = useExport.getState();
  useExport.setState(({ ended: { [kind]: _, ...ended } }) => ({ task: { kind, progress: null }, ended }));
  let result: T | null = null;
  let ending: Ended;
  try {
    result = await work();
    ending = end(result);
  } catch (error) {
    ending = { state: "failed", failure: noteError(error) };
  }
  if (useExport.getState().runId !== runId) return result;
  useExport.setState(({ ended }) => ({ task: null, ended: { ...ended, [kind]: ending } }));
  announce(
    ending.state === "failed"
      ? ending.failure.message
      : ending.state === "saved"
        ? `${ending.fileName} was saved.`
        : `Uploaded to ${ending.repo}.`,
  );
  return result;
}

/** Saves into the file that was picked, or hands the bytes back; null when it failed, which the dialog shows. */
export function saveExport(
  kind: ExportKind,
  dtype: ExportDtype,
  target: FileSystemFileHandle | null,
): Promise<ExportResult | null> {
  const { runId, step } = useExport.getState();
  return during(
    kind,
    () => request("exportFile", { runId: runId ?? "", step, kind, dtype, target }),
    ({ fileName, bytes }) => ({ state: "saved", fileName, bytes }),
  );
}

export async function uploadRun(wanted: Omit<UploadRequest, "runId" | "step">): Promise<void> {
  const { runId, step } = useExport.getState();
  await during(
    "upload",
    () => request("uploadRun", { ...wanted, runId: runId ?? "", step }),
    ({ repo, url }) => ({ state: "uploaded", repo, url }),
  );
}
