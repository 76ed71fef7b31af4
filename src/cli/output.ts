import { AppError } from "../lib/errors.ts";
import { createDownloads, type Downloads } from "./downloads.ts";
import { nonFinite } from "./run_folder.ts";

/** What a command prints: sentences for people, or one JSON object a line with --json. */
export interface Output {
  /** A sentence for people; nothing with --json. */
  say(text: string): void;
  /** A value for programs, and its sentence for people. */
  emit(value: Readonly<Record<string, unknown>>, text?: string): void;
  /** A piece of a text that is still being made, for people. */
  stream(text: string): void;
  /** How far the files are that come from a hub. */
  readonly downloads: Downloads;
}

export function createOutput(json: boolean): Output {
  // A line that is written anew is none of the result.
  const isTerminal = !json && process.stderr.isTTY;
  const stream = isTerminal ? process.stderr : process.stdout;
  return {
    downloads: createDownloads({
      kind: json ? "json" : isTerminal ? "terminal" : "log",
      write: (text) => void stream.write(text),
      now: () => performance.now(),
    }),
    say: (text) => {
      if (!json) console.log(text);
    },
    emit: (value, text) => {
      if (json) console.log(JSON.stringify(value, nonFinite));
      else if (text !== undefined) console.log(text);
    },
    stream: (text) => {
      if (!json) process.stdout.write(text);
    },
  };
}

/** Codes of errors that refuse the input or the place it is to run in, as against runs that failed: exit codes 2 and 1. */
const REFUSED = new Set([
  "config-invalid",
  "dataset-invalid",
  "template-invalid",
  "model-unsupported",
  "model-invalid",
  "adapter-unsupported",
  "file-invalid",
  "file-missing",
  "access-denied",
  "checkpoint-invalid",
  "storage-full",
  "user-code-invalid",
  "user-code-failed",
  "gpu-out-of-memory",
]);

export function exitCodeOf(error: unknown): number {
  return error instanceof AppError && REFUSED.has(error.code) ? 2 : 1;
}

/** What happened, and for bugs where; and what is kept of a download that it ended. */
export function reportError(error: unknown, json: boolean, { unfinished }: Downloads): void {
  const known = error instanceof AppError;
  const left = unfinished();
  // What has another content than it should have was deleted.
  const kept = known && error.code === "file-invalid" ? undefined : left;
  const message = error instanceof Error ? error.message : String(error);
  if (json) {
    const code = known ? error.code : "internal";
    const details = known ? error.details : {};
    console.log(JSON.stringify({ error: { code, message, details, ...(kept !== undefined && { kept }) } }));
  } else {
    console.error(known ? `Error: ${message}` : error);
    if (kept !== undefined) console.error(kept);
  }
}
