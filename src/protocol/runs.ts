import type { MemoryParts } from "./setup.ts";
import type { WireError } from "./values.ts";

/** What the worker says of a run: where it stands, what it measured, what it keeps. */

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
  /** The most that it held at any time. */
  readonly gpuPeakBytes: number;
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
  /** Null for runs of versions that kept no plan. */
  readonly memory: RunMemory | null;
}

/** The GPU memory of a run: what was planned before it began, and the most that it took. */
export interface RunMemory {
  readonly plan: MemoryParts;
  readonly peak: number;
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
