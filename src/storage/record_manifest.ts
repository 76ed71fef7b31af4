import type { CheckpointRecord } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";

/** What a store notes of each record when it writes it, and checks when it reads it back. */
export interface StoredRecord {
  readonly name: string;
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** The limit of `CheckpointRecord`: what IndexedDB clones in one go without stalling the tab. */
export const MAX_RECORD_BYTES = 64 * 1024 * 1024;

export async function describeRecord(record: CheckpointRecord): Promise<StoredRecord> {
  const { name, bytes } = record;
  return { name, size: bytes.length, sha256: await sha256(bytes) };
}

/** Throws `checkpoint-invalid` when the bytes are not those that were written. */
export async function verifyRecord(
  where: string,
  stored: StoredRecord,
  bytes: Uint8Array<ArrayBuffer> | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const details = { checkpoint: where, record: stored.name };
  const advice = "Resume from an earlier checkpoint.";
  if (bytes === undefined) {
    throw new AppError("checkpoint-invalid", `${where} has lost its record ${stored.name}. ${advice}`, {
      details,
    });
  }
  if (bytes.length !== stored.size || (await sha256(bytes)) !== stored.sha256) {
    throw new AppError(
      "checkpoint-invalid",
      `${where}: record ${stored.name} is damaged: ${bytes.length} bytes read, ${stored.size} written, or other content. ${advice}`,
      { details },
    );
  }
  return bytes;
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
