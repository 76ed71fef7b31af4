import { AppError } from "../lib/errors.ts";

/** What a command prints: sentences for people, or one JSON object a line with --json. */
export interface Output {
  /** A sentence for people; nothing with --json. */
  say(text: string): void;
  /** A value for programs, and its sentence for people. */
  emit(value: Readonly<Record<string, unknown>>, text?: string): void;
}

export function createOutput(json: boolean): Output {
  return {
    say: (text) => {
      if (!json) console.log(text);
    },
    emit: (value, text) => {
      if (json) console.log(JSON.stringify(value, nonFinite));
      else if (text !== undefined) console.log(text);
    },
  };
}

/** JSON has no NaN: it is written as text, so that it is not lost. */
function nonFinite(_: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** Codes of errors that refuse the input, as against runs that failed: exit codes 2 and 1. */
const REFUSED = new Set([
  "config-invalid",
  "dataset-invalid",
  "template-invalid",
  "model-unsupported",
  "model-invalid",
  "adapter-unsupported",
  "file-invalid",
  "file-missing",
  "checkpoint-invalid",
]);

export function exitCodeOf(error: unknown): number {
  return error instanceof AppError && REFUSED.has(error.code) ? 2 : 1;
}

/** What happened, and for bugs where. */
export function reportError(error: unknown, json: boolean): void {
  const known = error instanceof AppError;
  const message = error instanceof Error ? error.message : String(error);
  if (json) {
    const code = known ? error.code : "internal";
    console.log(JSON.stringify({ error: { code, message, details: known ? error.details : {} } }));
  } else {
    console.error(known ? `Error: ${message}` : error);
  }
}
