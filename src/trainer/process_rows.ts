import type { CommonConfig } from "../config/fields.ts";
import { languageOfCode, splitReference } from "../config/reward_source.ts";
import { type RowFile, rowUnit } from "../data/rows.ts";
import type { Host } from "../host/host.ts";
import type { UserFunction, UserSource } from "../host/user_code.ts";
import { AppError, invariant } from "../lib/errors.ts";
import { openDirect } from "../sandbox/direct_function.ts";

type ProcessingHost = Pick<Host, "readText" | "userCode" | "log">;
type ProcessingConfig = Pick<CommonConfig, "processing_fn" | "processing_batched" | "processing_fn_kwargs">;

/** A configuration's `processing_fn`, opened when the first rows come. */
export interface RowProcessor {
  /**
   * The rows of a file, or of a part of it, after the function, before columns are mapped: what it returns is laid over each
   * row, as datasets.map does. Throws `user-code-invalid`, and `user-code-failed` naming the line of the code and of the file.
   */
  process(file: RowFile): Promise<RowFile>;
  /** Ends what the function runs in, and hands on what it printed. */
  close(): void;
}

export function rowProcessor(host: ProcessingHost, config: ProcessingConfig): RowProcessor {
  const { processing_fn: given, processing_batched: batched, processing_fn_kwargs: kwargs } = config;
  let opened: UserFunction | undefined;
  let closed = false;
  return {
    async process(file) {
      if (given === null || file.rows.length === 0) return file;
      // Rows that were being read ahead when a run ended must not open it again.
      invariant(!closed, "rows for a processing_fn that was closed");
      opened ??= await open(host, given);
      try {
        const rows = await opened.process(file.rows, { kwargs, batched });
        return { ...file, rows, columns: [...new Set(rows.flatMap((row) => Object.keys(row)))] };
      } catch (error) {
        throw error instanceof AppError ? inFile(error, file, batched) : error;
      }
    },
    close() {
      for (const line of [...(opened?.repaired ?? []), ...(opened?.logs() ?? [])])
        host.log("info", `processing_fn: ${line}`);
      opened?.close();
      opened = undefined;
      closed = true;
    },
  };
}

/** The rows of a whole file after the function. */
export async function processRows(
  host: ProcessingHost,
  config: ProcessingConfig,
  file: RowFile,
): Promise<RowFile> {
  const processor = rowProcessor(host, config);
  try {
    return await processor.process(file);
  } finally {
    processor.close();
  }
}

async function open(
  host: ProcessingHost,
  given: NonNullable<ProcessingConfig["processing_fn"]>,
): Promise<UserFunction> {
  if (typeof given === "function") return openDirect(given, given.name || "processing_fn");
  return host.userCode.open(await sourceOf(host, given));
}

/** A file's function (`prep.js#name`), or source text. */
async function sourceOf(host: ProcessingHost, given: string): Promise<UserSource> {
  const reference = splitReference(given);
  if (reference === undefined) {
    const language = languageOfCode(given) ?? "javascript";
    return { code: given, language, purpose: "processing", title: "processing_fn" };
  }
  const { file, language, function: name } = reference;
  return { code: await host.readText(file), language, name, purpose: "processing", title: given };
}

/** Rows are counted by their place in the file, which is where a person looks. */
function inFile(error: AppError, file: RowFile, batched: boolean): AppError {
  const { title, row, line, reason } = error.details;
  if (error.code !== "user-code-failed" || typeof row !== "number") return error;
  const at = file.lines[row] ?? row + 1;
  const unit = rowUnit(file);
  const where = batched ? `the rows from ${unit} ${at} on of ${file.name}` : `${file.name} ${unit} ${at}`;
  const place = line === undefined ? title : `${title}, line ${line}`;
  return new AppError("user-code-failed", `${place}: ${reason}. It was given ${where}.`, {
    details: { ...error.details, file: file.name, fileLine: at },
    cause: error,
  });
}
