import type { Catalog } from "./catalog.ts";
import type { ChatAnswer, ChatRequest, ChatSide } from "./chat.ts";
import type { ExportPlan, ExportProgress, ExportRequest, ExportResult, UploadRequest } from "./exports.ts";
import type { DownloadProgress, HubDatasetInfo, HubModelInfo, Library } from "./hub.ts";
import type {
  CheckpointSummary,
  Download,
  LogLine,
  MetricRow,
  RolloutSet,
  RunDetails,
  RunProgress,
  RunStatus,
  RunSummary,
  SampleSet,
} from "./runs.ts";
import type {
  ConfigReview,
  DataPreview,
  Diagnostics,
  DownloadPlan,
  MemoryAdvice,
  MemoryPlan,
  RenderedRowData,
  ResolvedSettings,
  RewardTrialResult,
  ScoreSample,
} from "./setup.ts";
import type { RequestMade, StorageReport } from "./storage.ts";
import type { GivenSettings, PickedFiles, WireError } from "./values.ts";

/**
 * Everything that passes between the page and the training worker, as plain data that structured clone carries. The page
 * draws its menus and forms from what the worker sends; it imports none of the engine.
 */

/** What the page can ask of the worker, and what each request returns. */
export interface Requests {
  catalog: { params: Nothing; result: Catalog };
  /** What the device is and can do. Rejects with `webgpu-unavailable` where there is none. */
  diagnostics: { params: Nothing; result: Diagnostics };
  /** Reads a dropped or pasted configuration without applying it. */
  reviewConfig: { params: { text: string; repair: boolean }; result: ConfigReview };
  /** Checks settings and says where each value comes from. Never rejects for bad settings: they are in `issues`. */
  resolve: { params: { given: GivenSettings; recipe: string | null }; result: ResolvedSettings };
  exportConfig: {
    params: { given: GivenSettings; recipe: string | null; shape: "flat" | "nested" };
    result: { fileName: string; yaml: string };
  };
  /**
   * Where names are looked for that are neither part of the app nor dropped; nothing is asked of it before such a name is given.
   * The token is that of this address and no other: it is held in the worker's memory, sent to this origin alone, and gone
   * with the next call that does not give it.
   */
  setHub: { params: { endpoint: string; token?: string | null }; result: Nothing };
  /**
   * What a model of the hub is, by its listing and its config.json; nothing large is fetched. `fresh` looks up again what a
   * branch means, where what is stored would do. Rejects with `file-missing`, `access-denied`, `network`.
   */
  hubModel: {
    params: { name: string; revision: string | null; fresh?: boolean };
    result: HubModelInfo;
  };
  /** The subsets and splits of a dataset of the hub. Rejects as hubModel does, and with `dataset-invalid` when none can be read. */
  hubDataset: {
    params: { name: string; revision: string | null; fresh?: boolean };
    result: HubDatasetInfo;
  };
  /** Whose token this is, as the hub that is set says; it is sent to that origin alone. Rejects with `access-denied`, `network`. */
  checkToken: { params: { token: string }; result: { user: string } };
  /** What is kept of hubs on this device. */
  library: { params: Nothing; result: Library };
  /** Deletes the files of one stored repository. Rejects with `config-invalid` while a run uses it. */
  removeStored: { params: { key: string }; result: Nothing };
  /** Asks the browser not to clear what is kept here. */
  keepStorage: { params: Nothing; result: { persistent: boolean } };
  /**
   * What a run would fetch from the hub: sizes from its listings, after the model's config.json was read. Rejects with
   * `model-unsupported` for a model that cannot be trained here, `file-missing`, `access-denied`, `network`, `config-invalid`.
   */
  planDownload: {
    params: { given: GivenSettings; recipe: string | null; files: PickedFiles };
    result: DownloadPlan;
  };
  /** Reads the dataset that the settings name: columns, roles, problems, lengths. */
  previewData: {
    params: { given: GivenSettings; recipe: string | null; files: PickedFiles };
    result: DataPreview;
  };
  /** One row as the model sees it: which tokens are learned, which are only read. */
  renderRow: {
    params: {
      given: GivenSettings;
      recipe: string | null;
      files: PickedFiles;
      row: number;
      /** Counts `row` as the dataset does, with the rows that cannot be used. */
      ofDataset?: boolean;
    };
    result: RenderedRowData;
  };
  /** The memory that a run would take, part by part, before anything is allocated. */
  planMemory: {
    params: { given: GivenSettings; recipe: string | null; files: PickedFiles };
    result: MemoryPlan;
  };
  /** How the run could take less memory, the least harm first. Rejects as planMemory does, but not for memory. */
  adviseMemory: {
    params: { given: GivenSettings; recipe: string | null; files: PickedFiles };
    result: { advice: readonly MemoryAdvice[] };
  };
  /** Scores one answer to a row of the dataset. What the reward's own code does wrong is in `error`. */
  tryReward: {
    params: {
      given: GivenSettings;
      recipe: string | null;
      files: PickedFiles;
      /** Its place in the list of rewards. */
      reward: number;
      row: number;
      completion: string;
    };
    result: RewardTrialResult;
  };
  /** Scores one answer of the base model to each of up to 20 rows with all rewards. Needs the GPU, so not while a run trains. */
  sampleScores: {
    params: { given: GivenSettings; recipe: string | null; files: PickedFiles };
    result: ScoreSample;
  };
  /** Starts a run. Everything that can be refused is refused before the first step. */
  start: {
    params: {
      given: GivenSettings;
      recipe: string | null;
      files: PickedFiles;
      name: string | null;
      skipBadRows: boolean;
      /** Reads from the hub what there is no room for here; without it that is `storage-full`, with `canGoOn` in its details. */
      unkept?: boolean;
    };
    result: { runId: string; name: string; totalSteps: number };
  };
  /** Ends the preparation of a run, and what is downloaded for it: `start` or `resume` rejects with `cancelled`, what arrived stays. */
  cancelPreparing: { params: RunRef; result: Nothing };
  /** Takes effect at the next step border, and saves a checkpoint there. */
  pause: { params: RunRef; result: { step: number } };
  continue: { params: RunRef; result: { step: number } };
  /** One optimizer step of a paused run. */
  stepOnce: { params: RunRef; result: { step: number } };
  /** Ends a run early and keeps what it has learned. */
  stop: { params: RunRef; result: { step: number } };
  /** Ends a run, if it is going, and deletes everything it saved. */
  discard: { params: RunRef; result: Nothing };
  /** Goes on from a checkpoint after a reload, a crash or a stop. The latest one when `step` is null. */
  resume: {
    params: RunRef & { step: number | null; files: PickedFiles; unkept?: boolean };
    result: { step: number; totalSteps: number };
  };
  runs: { params: Nothing; result: { runs: readonly RunSummary[] } };
  run: { params: RunRef; result: RunDetails };
  /** The answers of one rollout of a run, and which there are. The latest one when `step` is null. */
  rollouts: {
    params: RunRef & { step: number | null };
    result: { steps: readonly number[]; set: RolloutSet | null };
  };
  rename: { params: RunRef & { name: string }; result: Nothing };
  checkpoints: { params: RunRef; result: { checkpoints: readonly CheckpointSummary[] } };
  deleteCheckpoint: { params: RunRef & { step: number }; result: Nothing };
  /** A zip with the PEFT adapter (or the whole model), its card, tokenizer, configuration and trainer state. */
  exportAdapter: { params: RunRef & { step: number | null }; result: Download };
  /** What a run can be saved as, from its checkpoint at `step` or the last one: sizes, files, and programs that use them. */
  planExport: { params: RunRef & { step: number | null; files: PickedFiles }; result: ExportPlan };
  /**
   * Saves a run in one of these forms and reads it back before it is called done; `export` events say how far it is. Rejects
   * with `export-invalid` when what was read back differs, `storage-full` when it is too large for a blob.
   */
  exportFile: { params: ExportRequest; result: ExportResult };
  /** Uploads what `exportAdapter` saves to a repository of the hub. Nothing goes anywhere before this is asked. */
  uploadRun: { params: UploadRequest; result: { url: string; repo: string } };
  /** Ends a saving or an upload; it then rejects with `cancelled`. */
  cancelExport: { params: RunRef; result: Nothing };
  exportMetrics: { params: RunRef & { format: "jsonl" | "csv" }; result: Download };
  /** Every answer of the run with its scores, one a line: a file that can be trained on again. */
  exportRollouts: { params: RunRef; result: Download };
  exportRunConfig: { params: RunRef & { shape: "flat" | "nested" }; result: Download };
  /** Answers of the base and the tuned model to the same messages with the same seed; text arrives as `answer` events. */
  chat: { params: ChatRequest; result: { answers: readonly ChatAnswer[] } };
  /** The port to the frame in which a person's code runs, after `sandbox-wanted`. */
  attachSandbox: { params: { port: MessagePort }; result: Nothing };
  cancelChat: { params: { chatId: string }; result: Nothing };
  storage: { params: Nothing; result: StorageReport };
  /** Every request of the worker so far, as the browser itself recorded it: the page sees only its own. */
  requestsMade: { params: Nothing; result: { requests: readonly RequestMade[] } };
}

export type Nothing = Readonly<Record<never, never>>;

export interface RunRef {
  readonly runId: string;
}

/** What the worker reports without being asked. */
export type WorkerEvent =
  | { readonly type: "status"; readonly runId: string; readonly status: RunStatus }
  /** Batched to at most ten a second; `rows` are in step order and complete, non-finite values as null with their name. */
  | { readonly type: "metrics"; readonly runId: string; readonly rows: readonly MetricRow[] }
  | { readonly type: "progress"; readonly runId: string; readonly progress: RunProgress }
  | { readonly type: "samples"; readonly runId: string; readonly samples: SampleSet }
  | { readonly type: "rollouts"; readonly runId: string; readonly set: RolloutSet }
  | { readonly type: "checkpoint"; readonly runId: string; readonly checkpoint: CheckpointSummary }
  | { readonly type: "export"; readonly runId: string; readonly progress: ExportProgress }
  | { readonly type: "log"; readonly runId: string; readonly line: LogLine }
  /** At most ten a second for each repository, while its files arrive; the last one when it is all there. */
  | ({ readonly type: "download" } & DownloadProgress)
  /** The text of a chat answer so far. */
  | { readonly type: "answer"; readonly chatId: string; readonly side: ChatSide; readonly text: string }
  /** A person's code is to be run: only the page can open the frame for it. */
  | { readonly type: "sandbox-wanted" }
  /** The device was lost; runs report their own status. */
  | { readonly type: "device-lost"; readonly error: WireError };
