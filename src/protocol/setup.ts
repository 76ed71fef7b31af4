import type { ConfigIssue } from "../config/issues.ts";
import type { ChatRequest } from "./chat.ts";
import type { GivenSettings } from "./values.ts";

/** What the worker says of settings and data before a run: checked, previewed, planned. */

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
  /** Rows that were looked at; fewer than all where the dataset is streamed. */
  readonly lookedAt: number;
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
  /** Of a run with several datasets, what each gives to an epoch. */
  readonly sources: readonly {
    readonly name: string;
    readonly rows: number;
    readonly taken: number;
    readonly weight: number;
  }[];
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
  /** Rows that can be shown. */
  readonly rowCount: number;
  /** They are the first ones of a dataset that is streamed. */
  readonly ofFirst: boolean;
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

export interface MemoryParts {
  readonly parts: readonly { readonly name: string; readonly bytes: number; readonly help: string }[];
  readonly total: number;
}

export interface MemoryPlan extends MemoryParts {
  /** Bytes that the person allows; null where no bound is set. */
  readonly budget: number | null;
  /** It would take more than that, in every way in which it can be run. */
  readonly tooLarge: boolean;
  /** What memory decided otherwise than for the fastest way, and why. */
  readonly notes: readonly string[];
}

/** A change of settings that makes a run smaller. */
export interface MemoryAdvice {
  /** Empty where a person has to choose: another model. */
  readonly change: Readonly<Record<string, number | string | boolean>>;
  readonly label: string;
  /** What it costs. */
  readonly harm: string;
  /** What the run would take then; null where that is not known. */
  readonly bytes: number | null;
  /** Whether that is within the bound; null where none is known. */
  readonly fits: boolean | null;
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
  /** How many of them are on this device already; none when absent. */
  readonly stored?: number;
}
