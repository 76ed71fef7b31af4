import type { FieldData } from "../config/fields.ts";
import type { ConfigIssue } from "../config/issues.ts";
import type { RewardData } from "../config/reward_data.ts";
import type { ErrorCode } from "../lib/errors.ts";

/**
 * Everything that passes between the page and the training worker, as plain data that structured clone carries. The page
 * draws its menus and forms from what the worker sends; it imports none of the engine.
 */

/** Settings by their keys, as far as the person has given them. */
export type GivenSettings = Readonly<Record<string, unknown>>;

/** Files that the person dropped or picked; they are read in the worker and go nowhere else. */
export interface PickedFiles {
  /** The dataset, when dataset_name is the name of a picked file. */
  readonly dataset?: File;
  /** The files of a model folder, when model_name names a dropped folder: that name is `modelName`. */
  readonly model?: readonly File[];
  readonly modelName?: string;
  /** The files of an adapter to start from, which adapter_name_or_path calls `adapterName`. */
  readonly adapter?: readonly File[];
  readonly adapterName?: string;
  /** Files with functions that settings name: processing_fn: prep.js#name. */
  readonly code?: readonly File[];
}

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
  /** Where names are looked for that are neither part of the app nor dropped. Nothing is asked of it before such a name is given. */
  setHub: { params: { endpoint: string }; result: Nothing };
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
    };
    result: { runId: string; name: string; totalSteps: number };
  };
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
    params: RunRef & { step: number | null; files: PickedFiles };
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
  | { readonly type: "log"; readonly runId: string; readonly line: LogLine }
  /** The text of a chat answer so far. */
  | { readonly type: "answer"; readonly chatId: string; readonly side: ChatSide; readonly text: string }
  /** A person's code is to be run: only the page can open the frame for it. */
  | { readonly type: "sandbox-wanted" }
  /** The device was lost; runs report their own status. */
  | { readonly type: "device-lost"; readonly error: WireError };

export type RunStatus =
  | {
      readonly state: "preparing";
      readonly what: "model" | "data" | "kernels";
      readonly done: number;
      readonly total: number;
      readonly unit: "bytes" | "rows" | "kernels";
    }
  | { readonly state: "running"; readonly step: number }
  | { readonly state: "pausing"; readonly step: number }
  | {
      readonly state: "paused";
      readonly step: number;
      readonly saved: boolean;
      readonly reason: string | null;
    }
  | {
      readonly state: "done";
      readonly step: number;
      readonly stoppedEarly: boolean;
      readonly reason: string | null;
    }
  | { readonly state: "failed"; readonly step: number; readonly error: WireError }
  /** A run of an earlier visit that ended without saying so: it can be resumed. */
  | {
      readonly state: "interrupted";
      readonly step: number;
      /** Why it had paused by itself before the page was closed; null when it had not. */
      readonly reason: string | null;
    };

export interface RunProgress {
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly tokensPerSecond: number | null;
  /** From this session's own rate; null until five steps were made. */
  readonly secondsLeft: number | null;
  readonly gpuBytes: number;
}

/** One logged step. A value that is not finite is null here and named in `nonFinite`, so that a chart can mark it. */
export interface MetricRow {
  readonly step: number;
  readonly values: Readonly<Record<string, number | null>>;
  readonly nonFinite: readonly string[];
}

/** Answers to the fixed prompts at one step; step 0 is the base model. */
export interface SampleSet {
  readonly step: number;
  readonly samples: readonly {
    readonly prompt: string;
    readonly answer: string;
    readonly reference: string | null;
  }[];
}

/** What the model answered before one step, and what it was worth. */
export interface RolloutSet {
  /** The first step that learned from it, from 1. */
  readonly step: number;
  readonly answers: readonly RolloutAnswer[];
}

/** One completion, as the page shows it: the engine's record without its token ids. */
export interface RolloutAnswer {
  readonly rollout: number;
  readonly step: number;
  /** The row of the dataset that asked, from 0; null when the rollout came from a file. */
  readonly row: number | null;
  /** Answers to the same prompt share it. */
  readonly group: number;
  /** As text or as messages. */
  readonly prompt: unknown;
  readonly completion: string;
  /** Each reward's own value, unweighted; null did not apply or failed. */
  readonly rewards: Readonly<Record<string, number | null>>;
  readonly reward: number | null;
  readonly advantage: number;
  /** In tokens. */
  readonly length: number;
  readonly truncated: boolean;
  readonly reference: string | null;
  readonly errors?: Readonly<Record<string, string>> | undefined;
}

export interface LogLine {
  readonly time: number;
  readonly level: "info" | "warn" | "error";
  readonly text: string;
}

/** An error as it crosses the border: structured clone drops the class, so the code is data. */
export interface WireError {
  readonly code: ErrorCode | "internal";
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly stack: string;
}

export interface Catalog {
  readonly algorithms: readonly AlgorithmInfo[];
  readonly models: readonly ModelInfo[];
  readonly datasets: readonly DatasetInfo[];
  readonly recipes: readonly RecipeInfo[];
  /** The built-in rewards with their parameters, and what every reward has beside them. */
  readonly rewards: readonly RewardData[];
  readonly rewardSettings: readonly FieldData[];
}

export interface RewardTrialResult {
  /** Unweighted; null when it does not apply, or failed. */
  readonly value: number | null;
  readonly error: { readonly message: string; readonly line: number | null } | null;
  readonly milliseconds: number;
  /** What the code printed. */
  readonly logs: readonly string[];
}

export interface ScoreSample {
  /** The weighted sum for each answer; null where no reward applied. */
  readonly totals: readonly (number | null)[];
  /** Calls of rewards that failed. */
  readonly failures: number;
  /** A reward model has a part in the sum, and was left out. */
  readonly withoutModel: boolean;
}

/** What the rows of a method hold: good answers, two answers of which one is better, or prompts to be answered. */
export type DataKind = "examples" | "pairs" | "prompts";

export interface AlgorithmInfo {
  readonly id: string;
  readonly label: string;
  /** One line for people. */
  readonly summary: string;
  readonly paper: string;
  readonly data: DataKind;
  /** What the data must have, in words. */
  readonly needs: string;
  /** The charts shown large. The first metric of the first is the one that says how a run goes. */
  readonly hero: readonly HeroChart[];
  /** The sentence under them. */
  readonly coach: string;
  readonly fields: readonly FieldData[];
}

export interface HeroChart {
  readonly title: string;
  readonly unit?: string;
  readonly metrics: readonly HeroMetric[];
}

export interface HeroMetric {
  readonly metric: string;
  readonly title: string;
  readonly better: "lower" | "higher" | "neither";
  /** The metric that says how far single values lie from this mean: drawn as a band round it. */
  readonly spread?: string;
}

export interface ModelInfo {
  readonly id: string;
  readonly label: string;
  readonly summary: string;
  readonly parameters: number;
  readonly bytes: number;
  readonly licence: string;
}

export interface DatasetInfo {
  readonly id: string;
  readonly label: string;
  readonly summary: string;
  readonly data: DataKind;
  readonly rows: number;
  readonly bytes: number;
}

export interface RecipeInfo {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly algorithm: string;
  readonly settings: GivenSettings;
}

export interface Diagnostics {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  readonly kind: "gpu" | "cpu";
  readonly limits: Readonly<Record<string, number>>;
  readonly features: readonly string[];
}

export interface ConfigReview {
  /** The text that was read: repaired, when that was asked for and needed. */
  readonly text: string;
  readonly used: readonly {
    readonly path: string;
    readonly key: string;
    readonly value: unknown;
    readonly line: number | null;
  }[];
  readonly changed: readonly {
    readonly path: string;
    readonly from: unknown;
    readonly to: unknown;
    readonly why: string;
    readonly line: number | null;
  }[];
  readonly notUsed: readonly { readonly path: string; readonly why: string }[];
  readonly problems: readonly (ConfigIssue & { readonly canRepair?: boolean })[];
  readonly given: GivenSettings;
}

export interface ResolvedSettings {
  readonly algorithm: string;
  readonly values: Readonly<
    Record<string, { readonly value: unknown; readonly source: "override" | "file" | "recipe" | "default" }>
  >;
  readonly issues: readonly ConfigIssue[];
  readonly notes: readonly ConfigIssue[];
}

export interface DataPreview {
  readonly name: string;
  readonly rowCount: number;
  readonly columns: readonly string[];
  /** Which role each column plays, after detection and mapping. */
  readonly roles: Readonly<Record<string, string>>;
  readonly format: string;
  /** Which direction a given column_mapping was read in, when one was given. */
  readonly mappingDirection: string | null;
  /** At most 50 rows, as cells of text. */
  readonly rows: readonly (readonly string[])[];
  readonly problems: readonly { readonly line: number; readonly kind: string; readonly message: string }[];
  readonly problemTotal: number;
  readonly notes: readonly string[];
  readonly splits: { readonly train: number; readonly validation: number; readonly test: number };
  /** Tokens a row: counts in `bins` equal bins from 0 to `max`, and how many rows are longer than the limit. */
  readonly lengths: {
    readonly bins: readonly number[];
    readonly max: number;
    readonly limit: number;
    readonly cut: number;
  };
}

export interface RenderedRowData {
  readonly row: number;
  readonly rowCount: number;
  /** One text, or the preferred and the rejected one of a pair. */
  readonly texts: readonly RenderedText[];
  readonly limit: number;
  /** The conversation that the model would answer; null for rows that hold their answers, and for plain text. */
  readonly question: ChatRequest["messages"] | null;
  /** The answer that rewards may compare with, when the row has one. */
  readonly reference: string | null;
}

export interface RenderedText {
  /** Which of a pair it is; empty when there is only one. */
  readonly title: string;
  readonly pieces: readonly { readonly text: string; readonly learned: boolean; readonly special: boolean }[];
  readonly tokens: number;
}

export interface MemoryPlan {
  readonly parts: readonly { readonly name: string; readonly bytes: number; readonly help: string }[];
  readonly total: number;
}

export interface DownloadPlan {
  readonly parts: readonly DownloadPart[];
  readonly total: number;
}

export interface DownloadPart {
  /** Rows are read while the run is set up; the rest, beyond headers and tokenizer, when it starts. */
  readonly what: "model" | "adapter" | "reward model" | "data";
  readonly name: string;
  readonly bytes: number;
}

export interface RunSummary {
  readonly id: string;
  readonly name: string;
  readonly algorithm: string;
  readonly model: string;
  readonly dataset: string;
  readonly status: RunStatus;
  readonly step: number;
  readonly totalSteps: number;
  readonly created: number;
  readonly updated: number;
  readonly hero: { readonly name: string; readonly value: number } | null;
  /** Up to 40 values of the hero metric, for a sparkline. */
  readonly spark: readonly number[];
  /** What differs from the run before it, in short words. */
  readonly changes: readonly string[];
  readonly bytes: number;
  /** The last checkpoint that holds an adapter: another run can start from it. */
  readonly adapterStep: number | null;
}

export interface RunDetails {
  readonly summary: RunSummary;
  readonly configYaml: string;
  readonly metrics: readonly MetricRow[];
  readonly samples: readonly SampleSet[];
  readonly log: readonly LogLine[];
  readonly checkpoints: readonly CheckpointSummary[];
  readonly plan: MemoryPlan | null;
}

export interface CheckpointSummary {
  readonly step: number;
  readonly bytes: number;
  readonly saved: number;
  readonly best: boolean;
}

export interface Download {
  readonly fileName: string;
  readonly blob: Blob;
}

export type ChatSide = "base" | "tuned";

export interface ChatRequest {
  readonly chatId: string;
  /** The run whose adapter the tuned side has; null answers with the base model alone. */
  readonly runId: string | null;
  readonly step: number | null;
  /** The model, when there is no run. */
  readonly model: string | null;
  readonly messages: readonly { readonly role: "system" | "user" | "assistant"; readonly content: string }[];
  readonly sampling: {
    readonly temperature: number;
    readonly top_p: number;
    readonly top_k: number;
    readonly max_new_tokens: number;
    readonly seed: number;
  };
}

export interface ChatAnswer {
  readonly side: ChatSide;
  readonly text: string;
  readonly tokens: number;
  readonly seconds: number;
  /** Said by the engine: whether the adapter took part in these tokens. */
  readonly adapter: "on" | "off";
  readonly stopped: "end" | "length" | "cancelled";
}

export interface RequestMade {
  readonly url: string;
  /** Bytes that came over the network; 0 also where another site does not let the browser say. */
  readonly bytes: number;
}

export interface StorageReport {
  readonly used: number;
  readonly quota: number;
  readonly persistent: boolean;
}
