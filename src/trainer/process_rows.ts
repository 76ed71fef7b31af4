import type { CommonConfig } from "../config/fields.ts";
import { languageOfCode, splitReference } from "../config/reward_source.ts";
import { type RowFile, rowUnit } from "../data/rows.ts";
import type { Host } from "../host/host.ts";
import type { UserFunction, UserSource } from "../host/user_code.ts";
import { AppError } from "../lib/errors.ts";
import { openDirect } from "../sandbox/direct_function.ts";

type ProcessingHost = Pick<Host, "readText" | "userCode" | "log">;
type ProcessingConfig = Pick<CommonConfig, "processing_fn" | "processing_batched" | "processing_fn_kwargs">;

/**
 * The rows of a file after the configuration's `processing_fn`, before columns are mapped: what it returns is laid over each
 * row, as datasets.map does. Throws `user-code-invalid`, and `user-code-failed` naming the line of the code and of the file.
 */
export async function processRows(
  host: ProcessingHost,
  config: ProcessingConfig,
  file: RowFile,
): Promise<RowFile> {
  if (config.processing_fn === null || file.rows.length === 0) return file;
  const fn = await open(host, config.processing_fn);
  try {
    const options = { kwargs: config.processing_fn_kwargs, batched: config.processing_batched };
    const rows = await fn.process(file.rows, options);
    return { ...file, rows, columns: [...new Set(rows.flatMap((row) => Object.keys(row)))] };
  } catch (error) {
    throw error instanceof AppError ? inFile(error, file, config.processing_batched) : error;
  } finally {
    for (const line of [...fn.repaired, ...fn.logs()]) host.log("info", `processing_fn: ${line}`);
    fn.close();
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
