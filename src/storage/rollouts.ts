import { atomically, type Database, prefix, type StoredRollout, writing } from "./database.ts";

/** Keeps rollouts; one of the same step and number is replaced. Throws `storage-full`; then none was added. */
export async function putRollouts(db: Database, rollouts: readonly StoredRollout[]): Promise<void> {
  const [first] = rollouts;
  if (!first) return;
  await writing(`the rollouts of ${first.run}`, async () => {
    const tx = db.transaction("rollouts", "readwrite", { durability: "relaxed" });
    await atomically(
      tx,
      rollouts.map((rollout) => () => tx.store.put(rollout)),
    );
  });
}

/** The steps that have a rollout, ascending. */
export async function rolloutSteps(db: Database, run: string): Promise<readonly number[]> {
  const keys = await db.getAllKeys("rollouts", prefix(run));
  return [...new Set(keys.map(([, step]) => step))];
}

/** Every record of the rollouts that a step was the first to learn from; empty when there is none. */
export async function readRollout(db: Database, run: string, step: number): Promise<readonly unknown[]> {
  const rollouts = await db.getAll("rollouts", prefix(run, step));
  return rollouts.flatMap(({ records }) => records);
}

/** All records of a run, rollout by rollout, so that one is held at a time. */
export async function* eachRollout(db: Database, run: string): AsyncGenerator<StoredRollout> {
  for (const key of await db.getAllKeys("rollouts", prefix(run))) {
    const rollout = await db.get("rollouts", key);
    if (rollout) yield rollout;
  }
}

/** Drops the rollouts after a step: those of a checkpoint that the run goes on from are made again. */
export async function truncateRollouts(db: Database, run: string, step: number): Promise<void> {
  await db.delete("rollouts", IDBKeyRange.bound([run, step, []], [run, []]));
}
