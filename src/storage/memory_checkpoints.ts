import type { CheckpointStore } from "../host/host.ts";
import { describeRecord, type StoredRecord, verifyRecord } from "./record_manifest.ts";

/** Checkpoints in memory: what a run falls back to when the disk is full, and gone with the tab. */
export function memoryCheckpoints(): CheckpointStore {
  const runs = new Map<string, Map<number, Map<string, [StoredRecord, Uint8Array<ArrayBuffer>]>>>();
  return {
    save: async (run, step, records) => {
      const kept = new Map<string, [StoredRecord, Uint8Array<ArrayBuffer>]>();
      for await (const record of records)
        kept.set(record.name, [await describeRecord(record), record.bytes.slice()]);
      runs.set(run, (runs.get(run) ?? new Map()).set(step, kept));
    },
    steps: (run) => Promise.resolve([...(runs.get(run)?.keys() ?? [])].sort((a, b) => a - b)),
    load: async (run, step, name) => {
      const found = runs.get(run)?.get(step)?.get(name);
      return found && (await verifyRecord(`Checkpoint ${step} of ${run}`, found[0], found[1])).slice();
    },
    remove: (run, step) => {
      runs.get(run)?.delete(step);
      return Promise.resolve();
    },
  };
}
