/** Everything that can go wrong in a way the user can act on. The page has one table from code to title and fixes. */
export type ErrorCode =
  | "webgpu-unavailable"
  | "device-lost"
  | "gpu-out-of-memory"
  | "gpu-error"
  | "shader-invalid"
  | "shape-mismatch"
  | "config-invalid"
  | "dataset-invalid"
  | "template-invalid"
  | "model-unsupported"
  | "model-invalid"
  | "adapter-unsupported"
  | "file-invalid"
  | "file-missing"
  | "checkpoint-invalid"
  | "loss-not-finite"
  | "user-code-invalid"
  | "user-code-failed"
  | "storage-full"
  | "export-invalid"
  | "network"
  | "access-denied"
  | "cancelled";

/** The one error class that crosses module and worker borders. `details` must survive structured clone. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Throws `cancelled` when a person asked for the end of what goes on. */
export function refuseIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AppError("cancelled", "Cancelled.");
}

/** For programmer errors only: a false condition is a bug in this repository, never a user mistake. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Invariant violated: ${message}`);
}
