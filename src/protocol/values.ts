import type { ErrorCode } from "../lib/errors.ts";

/** Plain values that several messages carry. */

/** Settings by their keys, as far as the person has given them. */
export type GivenSettings = Readonly<Record<string, unknown>>;

/** Files that the person dropped or picked; they are read in the worker and go nowhere else. */
export interface PickedFiles {
  /** The dataset, when dataset_name is the name of a picked file. */
  readonly dataset?: File;
  /** The data files of a folder, when dataset_name is its name. */
  readonly dataFolder?: { readonly name: string; readonly files: readonly File[] };
  /** The files of a model folder, when model_name names a dropped folder: that name is `modelName`. */
  readonly model?: readonly File[];
  readonly modelName?: string;
  /** The files of an adapter to start from, which adapter_name_or_path calls `adapterName`. */
  readonly adapter?: readonly File[];
  readonly adapterName?: string;
  /** Files with functions that settings name: processing_fn: prep.js#name. */
  readonly code?: readonly File[];
}

/** An error as it crosses the border: structured clone drops the class, so the code is data. */
export interface WireError {
  readonly code: ErrorCode | "internal";
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly stack: string;
}
