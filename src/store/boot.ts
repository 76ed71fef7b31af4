import type { AlgorithmInfo } from "../protocol/catalog.ts";
import type { WorkerEvent } from "../protocol/messages.ts";
import type { Endpoint } from "../protocol/rpc.ts";
import { announce, checkDevice, loadCatalog, loadStorage, noteError, setTrouble, useApp } from "./app.ts";
import { reduceChat, useChat } from "./chat.ts";
import { connectTo, request, startWorker } from "./client.ts";
import { clearDownloads, isArriving, useDownloads, withProgress } from "./downloads.ts";
import { noteProgress } from "./exports.ts";
import { failureOf, shown } from "./failure.ts";
import { headlineOf } from "./headline.ts";
import { sendHub, useHub } from "./hub.ts";
import { forgetFacts } from "./hub_facts.ts";
import { recallToken } from "./hub_token.ts";
import { loadRun, loadRuns } from "./run_actions.ts";
import { isGoing, methodIdOf, nameOf, type RunView, reduce, useRuns } from "./runs.ts";
import { openSandboxPort } from "./sandbox.ts";
import { restoreSetup } from "./setup_actions.ts";
import { scheduleRefresh } from "./setup_refresh.ts";
import { spokenProgress, spokenStatus } from "./spoken.ts";
import { watchSystemTheme } from "./theme.ts";

/** Starts the page: the worker, what it can do, what it saved. An endpoint may stand in for the worker. */
export function boot(endpoint?: Endpoint): void {
  watchSystemTheme();
  restoreSetup();
  if (endpoint) connectTo(endpoint, onEvent);
  else startWorker(onEvent, setTrouble);
  recallToken(useHub.getState().address);
  void sendHub().catch(noteError);
  addEventListener("beforeunload", (event) => {
    const { runs, order } = useRuns.getState();
    const busy = order.some(
      (id) => ["running", "pausing"].includes(runs[id]?.status.state ?? "") && isGoing(runs[id]),
    );
    if (busy) event.preventDefault();
  });
  void loadCatalog().then(scheduleRefresh);
  void checkDevice();
  void loadRuns();
  void loadStorage();
}

function onEvent(event: WorkerEvent): void {
  if (event.type === "answer") useChat.setState((state) => reduceChat(state, event));
  else if (event.type === "download") onDownload(event);
  else if (event.type === "device-lost") setTrouble(event.error);
  else if (event.type === "sandbox-wanted") void openSandbox();
  else if (event.type === "export") noteProgress(event.runId, event.progress);
  else if ("runId" in event) onRunEvent(event);
}

function onDownload(event: Extract<WorkerEvent, { type: "download" }>): void {
  useDownloads.setState((state) => withProgress(state, event));
  // What was said of bytes that are here is no longer so.
  if (!isArriving(event)) forgetFacts();
}

/** Opens the frame for a person's code. What goes wrong is told where the code is waited for: in the worker. */
async function openSandbox(): Promise<void> {
  try {
    await request("attachSandbox", { port: await openSandboxPort() });
  } catch (error) {
    announce(failureOf(error).message);
  }
}

function onRunEvent(event: Extract<WorkerEvent, { runId: string }>): void {
  const before = useRuns.getState().runs[event.runId];
  useRuns.setState((state) => reduce(state, event));
  const after = useRuns.getState().runs[event.runId];
  if (!after) return;
  // A run that the page did not know: its name and settings are with the worker.
  if (!before) void loadRun(event.runId);
  const said =
    event.type === "status"
      ? spokenStatus(nameOf(after), before?.status, after.status)
      : spokenProgress(before, after, headlineOf(methodOf(after)));
  if (said) announce(said);
  if (event.type === "status") afterStatus(event.runId, after.status.state);
  // The run is on a device again, so the loss of the one before is over.
  if (after.status.state === "running" && useApp.getState().trouble?.code === "device-lost") setTrouble(null);
}

const methodOf = (run: RunView): AlgorithmInfo | undefined =>
  shown(useApp.getState().catalog)?.algorithms.find(({ id }) => id === methodIdOf(run));

/** What was saved changes when a run ends or pauses. */
function afterStatus(runId: string, state: string): void {
  if (state !== "preparing") clearDownloads();
  if (state === "done" || state === "failed" || state === "paused") {
    void loadStorage();
    if (state !== "paused") void loadRun(runId).then(loadRuns);
  }
}
