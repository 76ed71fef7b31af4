import type { CheckpointRecord, CheckpointStore } from "../host/host.ts";
import { AppError, invariant } from "../lib/errors.ts";
import { atomically, type CheckpointManifest, type Database, prefix, writing } from "./database.ts";
import { describeRecord, MAX_RECORD_BYTES, type StoredRecord, verifyRecord } from "./record_manifest.ts";

/**
 * Checkpoints in IndexedDB. Records are written one transaction each, under a generation that nothing names yet; the
 * last transaction writes the manifest and deletes the records of the writing that it replaces. A tab that is closed
 * in between leaves records without a manifest, which are never listed and go at the next save of that run.
 * `now` gives milliseconds since 1970.
 */
export function indexedCheckpoints(db: Database, now: () => number): CheckpointStore {
  return {
    save: (run, step, records) =>
      writing(`the checkpoint of step ${step}`, async () => {
        await sweepRecords(db, run);
        const generation = crypto.randomUUID();
        try {
          const stored = await writeRecords(db, [run, step, generation], records);
          await swapIn(db, { run, step, generation, records: stored, saved: now() });
        } catch (cause) {
          // If even this fails (the database was closed), the next save sweeps them away.
          await db.delete("records", prefix(run, step, generation)).catch(() => undefined);
          throw cause;
        }
      }),
    steps: async (run) => (await db.getAllKeys("manifests", prefix(run))).map(([, step]) => step),
    load: async (run, step, name) => {
      const where = `Checkpoint ${step} of ${run}`;
      const tx = db.transaction(["manifests", "records"]);
      const manifest = await tx.objectStore("manifests").get([run, step]);
      if (manifest === undefined) {
        throw new AppError("checkpoint-invalid", `${where} is not stored, or was not written to its end.`);
      }
      const stored = manifest.records.find((record) => record.name === name);
      if (stored === undefined) return undefined;
      const bytes = await tx.objectStore("records").get([run, step, manifest.generation, name]);
      return verifyRecord(where, stored, bytes);
    },
    remove: async (run, step) => {
      const tx = db.transaction(["manifests", "records"], "readwrite");
      await atomically(tx, [
        () => tx.objectStore("manifests").delete([run, step]),
        () => tx.objectStore("records").delete(prefix(run, step)),
      ]);
    },
  };
}

async function writeRecords(
  db: Database,
  key: readonly [run: string, step: number, generation: string],
  records: AsyncIterable<CheckpointRecord>,
): Promise<readonly StoredRecord[]> {
  const stored: StoredRecord[] = [];
  for await (const record of records) {
    invariant(record.bytes.length <= MAX_RECORD_BYTES, `record ${record.name} is at most 64 MB`);
    invariant(
      stored.every(({ name }) => name !== record.name),
      `record ${record.name} is written once`,
    );
    stored.push(await describeRecord(record));
    const tx = db.transaction("records", "readwrite", { durability: "relaxed" });
    await atomically(tx, [() => tx.store.put(whole(record.bytes), [...key, record.name])]);
  }
  return stored;
}

/** A view is stored with all of its buffer, so a view of a part is copied first. */
function whole(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

async function swapIn(db: Database, written: Omit<CheckpointManifest, "bytes" | "pinned">): Promise<void> {
  const { run, step, records } = written;
  const tx = db.transaction(["manifests", "records"], "readwrite", { durability: "strict" });
  const manifests = tx.objectStore("manifests");
  const before = await manifests.get([run, step]);
  const bytes = records.reduce((sum, { size }) => sum + size, 0);
  const replaced = before ? [prefix(run, step, before.generation)] : [];
  await atomically(tx, [
    () => manifests.put({ ...written, bytes, pinned: before?.pinned ?? false }),
    ...replaced.map((range) => () => tx.objectStore("records").delete(range)),
  ]);
}

/** Deletes records of a run that no manifest names. Only the tab that trains the run may call it. */
export async function sweepRecords(db: Database, run: string): Promise<void> {
  const tx = db.transaction(["manifests", "records"], "readwrite");
  const manifests = await tx.objectStore("manifests").getAll(prefix(run));
  const complete = new Set(manifests.map(({ step, generation }) => `${step} ${generation}`));
  const keys = await tx.objectStore("records").getAllKeys(prefix(run));
  const orphans = keys.filter(([, step, generation]) => !complete.has(`${step} ${generation}`));
  await atomically(
    tx,
    orphans.map((key) => () => tx.objectStore("records").delete(key)),
  );
}

/** Complete checkpoints with their sizes, of one run or of all, for the screen that frees space. */
export function listCheckpoints(db: Database, run?: string): Promise<readonly CheckpointManifest[]> {
  return db.getAll("manifests", run === undefined ? undefined : prefix(run));
}

/** A pinned checkpoint is kept when older ones are pruned. Throws `checkpoint-invalid` when it is not there. */
export async function pinCheckpoint(db: Database, run: string, step: number, pinned: boolean): Promise<void> {
  const tx = db.transaction("manifests", "readwrite");
  const before = await tx.store.get([run, step]);
  if (before) await tx.store.put({ ...before, pinned });
  await tx.done;
  if (!before) throw new AppError("checkpoint-invalid", `Checkpoint ${step} of ${run} is not stored.`);
}

/** Steps that pruning must keep: the best one of the run and those that the person pinned. */
export async function keptSteps(db: Database, run: string): Promise<readonly number[]> {
  const best = (await db.get("runs", run))?.bestStep ?? null;
  const pinned = (await listCheckpoints(db, run)).filter((checkpoint) => checkpoint.pinned);
  return [...(best === null ? [] : [best]), ...pinned.map(({ step }) => step)];
}
