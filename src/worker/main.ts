import { adviseMemory } from "../api/memory_advice.ts";
import type { SettingsChange } from "../api/memory_changes.ts";
import { budgetOf, choiceNote } from "../api/memory_choice.ts";
import { type PlannedRun, planRun } from "../api/plan_run.ts";
import type { RunConfig } from "../config/fields.ts";
import { openGpu } from "../gpu/device.ts";
import { createBrowserHost, keepStorage, storageSpace } from "../host/browser.ts";
import { AppError } from "../lib/errors.ts";
import type { WorkerEvent } from "../protocol/messages.ts";
import { type Endpoint, type Handlers, serve } from "../protocol/rpc.ts";
import type { Diagnostics, MemoryPlan } from "../protocol/setup.ts";
import { type Database, openDatabase } from "../storage/database.ts";
import { updateRun } from "../storage/runs.ts";
import { buildCatalog } from "./catalog.ts";
import { Chat } from "./chat.ts";
import type { WorkerContext } from "./context.ts";
import { previewData, renderDataRow } from "./data_requests.ts";
import { planDownload } from "./download_plan.ts";
import { Downloads } from "./downloads.ts";
import { Exports } from "./exports.ts";
import { registerFiles } from "./files.ts";
import {
  checkpointList,
  exportMetrics,
  exportRollouts,
  exportRunConfig,
  requireRun,
  runDetails,
  runList,
  runRollouts,
} from "./history.ts";
import { hubHandlers } from "./hub_requests.ts";
import { RewardTrials } from "./reward_trial.ts";
import { refuseIfNeeded, withRunAdapters } from "./run_adapters.ts";
import { Runs } from "./runs.ts";
import { createSandboxDoor } from "./sandbox.ts";
import { sampleScores } from "./score_sample.ts";
import { exportSettings, requireConfig, resolveSettings, reviewText } from "./settings.ts";

/** The training worker: owns the device and the database, answers the page's requests, does no arithmetic itself. */

let capabilities: Promise<Diagnostics> | undefined;

/** Asked once: opening a device to look at it costs as much as opening one to use it. */
function diagnostics(): Promise<Diagnostics> {
  capabilities ??= openGpu().then((gpu) => {
    gpu.close();
    return gpu.capabilities;
  });
  capabilities.catch(() => {
    capabilities = undefined;
  });
  return capabilities;
}

/** What the page shows of a plan. */
function planOf({ parts, total, choice, refused, tooLarge }: PlannedRun, config: RunConfig): MemoryPlan {
  const budget = budgetOf(config) ?? null;
  return { parts, total, budget, tooLarge, notes: choiceNote(choice, refused) };
}

async function openStorage(): Promise<Database | undefined> {
  try {
    return await openDatabase();
  } catch {
    // Some private windows refuse a database. Runs then live as long as the tab; `storage` says so to the page.
    return undefined;
  }
}

type SetupMethod =
  | "tryReward"
  | "sampleScores"
  | "reviewConfig"
  | "resolve"
  | "exportConfig"
  | "previewData"
  | "renderRow"
  | "planDownload"
  | "planMemory"
  | "adviseMemory";

/** What the page asks while a run is being set up: settings, data, memory. */
function setupHandlers(context: WorkerContext, runs: Runs): Pick<Handlers, SetupMethod> {
  const { host } = context;
  const trials = new RewardTrials(host);
  return {
    reviewConfig: async ({ text, repair }) => reviewText(text, repair),
    resolve: resolveSettings,
    exportConfig: ({ shape, ...named }) => exportSettings(named, shape),
    previewData: async ({ files, ...named }) => {
      registerFiles(host, files);
      const { config } = await requireConfig(named);
      return previewData(host, config);
    },
    renderRow: async ({ files, row, ofDataset = false, ...named }) => {
      registerFiles(host, files);
      const { config } = await requireConfig(named);
      return renderDataRow(host, config, row, ofDataset);
    },
    tryReward: async ({ files, reward, row, completion, ...named }) => {
      registerFiles(host, files);
      const { config } = await requireConfig(named);
      return trials.run(config, { reward, row, completion });
    },
    sampleScores: async ({ files, ...named }) => {
      registerFiles(host, files);
      const { config } = await requireConfig(named);
      await runs.release();
      return sampleScores(host, config);
    },
    planDownload: async ({ files, ...named }) => {
      registerFiles(host, files);
      const { config } = await requireConfig(named);
      return planDownload(host, config);
    },
    planMemory: async ({ files, ...named }) => {
      registerFiles(host, files);
      const { config } = await requireConfig(named);
      return planOf(await planRun(host, config, await diagnostics()), config);
    },
    adviseMemory: async ({ files, ...named }) => {
      registerFiles(host, files);
      await requireConfig(named);
      const configWith = (change: SettingsChange) => changedConfig(named, change);
      return { advice: await adviseMemory({ host, capabilities: await diagnostics(), configWith }) };
    },
  };
}

/** The settings with a change on top, when they can be run. */
async function changedConfig(
  { given, ...named }: Parameters<typeof requireConfig>[0],
  change: SettingsChange,
): Promise<RunConfig | undefined> {
  try {
    return (await requireConfig({ ...named, given: { ...given, ...change } })).config;
  } catch (error) {
    if (error instanceof AppError && error.code === "config-invalid") return undefined;
    throw error;
  }
}

type ExportMethod = "exportAdapter" | "planExport" | "exportFile" | "uploadRun" | "cancelExport";

/** What leaves a run as files, and, when a person asks for that, for the hub. */
function exportHandlers(context: WorkerContext, runs: Runs): Pick<Handlers, ExportMethod> {
  const exports = new Exports(context, runs);
  return {
    exportAdapter: ({ runId, step }) => exports.adapter(runId, step),
    planExport: ({ runId, step, files }) => {
      registerFiles(context.host, files);
      return exports.plan(runId, step);
    },
    exportFile: (request) => exports.save(request),
    uploadRun: (request) => exports.upload(request),
    cancelExport: async ({ runId }) => {
      exports.cancel(runId);
      return {};
    },
  };
}

/** What the browser itself says of this worker. */
function reportHandlers(): Pick<Handlers, "requestsMade" | "storage"> {
  return {
    requestsMade: async () => ({
      requests: performance
        .getEntriesByType("resource")
        .filter((entry): entry is PerformanceResourceTiming => "transferSize" in entry)
        .map(({ name, transferSize }) => ({ url: name, bytes: transferSize })),
    }),
    storage: async () => {
      const space = await storageSpace();
      const persistent = (await navigator.storage?.persisted?.()) ?? false;
      return { used: space?.used ?? 0, quota: space ? space.used + space.free : 0, persistent };
    },
  };
}

function handlers(context: WorkerContext): Handlers {
  const { host, database } = context;
  const runs = new Runs(context);
  const chat = new Chat(context, runs);
  const live = (runId: string) => (runs.session?.runId === runId ? runs.session.status : undefined);
  const stored = () => {
    if (database) return database;
    throw new AppError(
      "storage-full",
      "This browser keeps no data for this page, so there are no stored runs.",
    );
  };
  const nothing = {};
  return {
    catalog: () => buildCatalog(host),
    diagnostics,
    ...setupHandlers(context, runs),
    start: async (params) => {
      await keepStorage();
      return runs.start(params);
    },
    cancelPreparing: async ({ runId }) => {
      await runs.cancel(runId);
      return nothing;
    },
    pause: async ({ runId }) => ({ step: await runs.require(runId).halt("pause") }),
    continue: async ({ runId }) => {
      const session = runs.require(runId);
      session.go();
      return { step: session.step };
    },
    stepOnce: async ({ runId }) => {
      const session = runs.require(runId);
      session.go(1);
      return { step: session.step };
    },
    stop: async ({ runId }) => ({ step: await runs.require(runId).halt("stop") }),
    discard: async ({ runId }) => {
      await runs.discard(runId);
      return nothing;
    },
    resume: ({ runId, step, files, unkept }) => runs.resume(runId, step, files, unkept),
    runs: async () => ({ runs: database ? await runList(database, live) : [] }),
    run: ({ runId }) => runDetails(stored(), runId, live(runId)),
    rename: async ({ runId, name }) => {
      await updateRun(stored(), runId, { name, updated: Date.now() });
      return nothing;
    },
    checkpoints: async ({ runId }) => ({ checkpoints: await checkpointList(stored(), runId) }),
    deleteCheckpoint: async ({ runId, step }) => {
      await requireRun(stored(), runId);
      await refuseIfNeeded(stored(), runId, step);
      await host.checkpoints.remove(runId, step);
      return nothing;
    },
    ...exportHandlers(context, runs),
    exportMetrics: ({ runId, format }) => exportMetrics(stored(), runId, format),
    rollouts: ({ runId, step }) => runRollouts(stored(), runId, step),
    exportRollouts: ({ runId }) => exportRollouts(stored(), runId),
    exportRunConfig: ({ runId, shape }) => exportRunConfig(stored(), runId, shape),
    chat: (request) => chat.ask(request),
    attachSandbox: async ({ port }) => {
      context.sandbox.attach(port);
      return nothing;
    },
    cancelChat: async ({ chatId }) => {
      chat.cancel(chatId);
      return nothing;
    },
    ...hubHandlers(context, runs),
    ...reportHandlers(),
  };
}

/** Requests that arrive before the database is open wait for it: a worker that listened only then would lose them. */
function whenReady(ready: Promise<Handlers>): Handlers {
  return new Proxy({} as Handlers, {
    get: (_, method: string) => async (params: never) => {
      const handler = (await ready)[method as keyof Handlers] as unknown as (params: never) => Promise<never>;
      return handler(params);
    },
  });
}

async function prepare(emit: (event: WorkerEvent) => void): Promise<Handlers> {
  const database = await openStorage();
  const sandbox = createSandboxDoor(emit);
  const downloads = new Downloads(emit, () => performance.now());
  const plain = createBrowserHost({
    onProgress: downloads.report,
    openSandboxPort: sandbox.open,
    // The worker's own file lies in assets/; the app's files lie beside the page.
    base: new URL(import.meta.env.DEV ? "/" : "../", import.meta.url),
    database,
    log: (level, text) => emit({ type: "log", runId: "", line: { time: Date.now(), level, text } }),
  });
  return handlers({ host: withRunAdapters(plain), database, emit, sandbox, downloads });
}

// A model comes in as many requests as it has tensors; the browser's own list would end at 250.
performance.setResourceTimingBufferSize(100_000);

const endpoint = self as unknown as Endpoint;
const emit: (event: WorkerEvent) => void = serve(
  endpoint,
  whenReady(Promise.resolve().then(() => prepare((event) => emit(event)))),
);
