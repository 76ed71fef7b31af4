import { AppError } from "../lib/errors.ts";
import {
  atomically,
  type Database,
  type Heartbeat,
  type JournalName,
  prefix,
  type RunRecord,
  STORES,
  writing,
} from "./database.ts";

/** Adds or replaces a run. Throws `storage-full`. */
export async function putRun(db: Database, run: RunRecord): Promise<void> {
  await writing(`the run ${run.name}`, () => db.put("runs", run));
}

export function getRun(db: Database, id: string): Promise<RunRecord | undefined> {
  return db.get("runs", id);
}

/** Every run, the last touched first. */
export async function listRuns(db: Database): Promise<readonly RunRecord[]> {
  return (await db.getAllFromIndex("runs", "updated")).reverse();
}

/** Changes some fields of a run in one transaction. Throws `file-missing` when it was deleted, `storage-full`. */
export async function updateRun(
  db: Database,
  id: string,
  change: Partial<Omit<RunRecord, "id" | "created">>,
): Promise<RunRecord> {
  return writing(`the run ${id}`, async () => {
    const tx = db.transaction("runs", "readwrite");
    const before = await tx.store.get(id);
    if (before === undefined) {
      await tx.done;
      throw new AppError("file-missing", `The run ${id} is no longer stored; was it deleted in another tab?`);
    }
    const after = { ...before, ...change };
    await atomically(tx, [() => tx.store.put(after)]);
    return after;
  });
}

/** Deletes a run and all that belongs to it, at once. A pinned one stays: nothing is deleted and the answer is false. */
export async function deleteRun(db: Database, id: string): Promise<boolean> {
  const tx = db.transaction(STORES, "readwrite");
  const run = await tx.objectStore("runs").get(id);
  if (run?.pinned) {
    await tx.done;
    return false;
  }
  await atomically(tx, [
    () => tx.objectStore("runs").delete(id),
    () => tx.objectStore("heartbeats").delete(id),
    ...(["metrics", "samples", "logs", "manifests", "records", "rollouts"] as const).map(
      (name) => () => tx.objectStore(name).delete(prefix(id)),
    ),
  ]);
  return true;
}

/** Appends rows to a journal of a run and gives the index after the last. Throws `storage-full`; then none was added. */
export async function appendRows(
  db: Database,
  journal: JournalName,
  run: string,
  rows: readonly unknown[],
): Promise<number> {
  return writing(`${journal} of ${run}`, async () => {
    const tx = db.transaction(journal, "readwrite", { durability: "relaxed" });
    const last = await tx.store.openKeyCursor(prefix(run), "prev");
    const next = last ? last.key[1] + 1 : 0;
    await atomically(
      tx,
      rows.map((row, i) => () => tx.store.add({ run, index: next + i, row })),
    );
    return next + rows.length;
  });
}

/** Rows of a journal from index `from` on, in order. */
export async function readRows(
  db: Database,
  journal: JournalName,
  run: string,
  from = 0,
): Promise<readonly unknown[]> {
  const rows = await db.getAll(journal, IDBKeyRange.bound([run, from], [run, []]));
  return rows.map(({ row }) => row);
}

/** Drops the rows from index `from` on: on resume, those written after the checkpoint that the run goes on from. */
export async function truncateRows(
  db: Database,
  journal: JournalName,
  run: string,
  from: number,
): Promise<void> {
  await db.delete(journal, IDBKeyRange.bound([run, from], [run, []]));
}

/** Says that the run is alive at this step. Throws `storage-full`. */
export async function beat(db: Database, heartbeat: Heartbeat): Promise<void> {
  await writing("the heartbeat", () => db.put("heartbeats", heartbeat));
}

/** Says goodbye: the run ended, paused or failed in a way that the app saw. */
export async function endHeartbeat(db: Database, run: string): Promise<void> {
  await db.delete("heartbeats", run);
}

/** Runs that ended without saying goodbye: the tab was closed, crashed or slept. `now` and `silence` in milliseconds. */
export async function abandonedRuns(
  db: Database,
  now: number,
  silence = 15_000,
): Promise<readonly Heartbeat[]> {
  return (await db.getAll("heartbeats")).filter(({ at }) => now - at > silence);
}
