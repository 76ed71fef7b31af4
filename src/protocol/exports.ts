/** What a run can be saved as, and how saving goes. */

export type ExportKind = "adapter" | "model" | "merged" | "gguf" | "cluster";
export type ExportDtype = "stored" | "F32" | "F16" | "BF16";

export interface ExportOption {
  readonly kind: ExportKind;
  /** What the saved file is called: a zip with a folder of the same name, or the file itself. */
  readonly fileName: string;
  /** Of all files that are known beforehand; the model card and the trainer's record add some kilobytes. */
  readonly bytes: number;
  /** The same for each type that the weights can be stored as, when there is a choice. */
  readonly bytesAs: Readonly<Record<ExportDtype, number>> | null;
  /** What is different with it, or missing. */
  readonly notes: readonly string[];
  /** In the order of the zip; null bytes are known only when it is made. */
  readonly files: readonly { readonly name: string; readonly bytes: number | null }[];
  /** A program that uses what was saved, with its names. */
  readonly snippet: { readonly language: "Python" | "Shell"; readonly text: string };
}

export interface ExportPlan {
  /** The checkpoint that is saved. */
  readonly step: number;
  readonly options: readonly (
    | ({ readonly possible: true } & ExportOption)
    | { readonly possible: false; readonly kind: ExportKind; readonly why: string }
  )[];
  /** What the base's matrices are stored as, that an adapter would be merged into. */
  readonly basePrecision: readonly string[];
  /** A name for a repository. */
  readonly repository: string;
}

export interface ExportRequest {
  readonly runId: string;
  readonly step: number | null;
  readonly kind: ExportKind;
  /** What a model's weights are stored as. */
  readonly dtype: ExportDtype;
  /** Where to write; without it the file comes back as a blob. */
  readonly target: FileSystemFileHandle | null;
}

export interface ExportResult {
  readonly fileName: string;
  readonly bytes: number;
  /** Null when it was written to the target. */
  readonly blob: Blob | null;
}

export interface UploadRequest {
  readonly runId: string;
  readonly step: number | null;
  /** owner/name, or a name under the account of the token. */
  readonly repo: string;
  /** Used for this upload and forgotten. */
  readonly token: string;
  readonly isPublic: boolean;
  readonly intoExisting: boolean;
  readonly endpoint: string;
}

export interface ExportProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
}
