import "fake-indexeddb/auto";
import { describe, expect, it } from "vitest";
import type { WorkerEvent } from "../../src/protocol/messages.ts";
import type { RolloutRecord } from "../../src/rollout/record.ts";
import { openDatabase, type RunRecord } from "../../src/storage/database.ts";
import { putRun } from "../../src/storage/runs.ts";
import { exportRollouts, runRollouts } from "../../src/worker/history.ts";
import { RunJournal } from "../../src/worker/journal.ts";

const record = (step: number, rollout: number, completion: string): RolloutRecord => ({
  ...{
    rollout,
    step,
    group: rollout,
    row: 7,
    prompt: "Why?",
    prompt_ids: [1, 2],
    completion,
    completion_ids: [3],
  },
  ...{ rewards: { accuracy: 1 }, reward: 1, advantage: 0.5, length: 1, truncated: false, reference: "42" },
});

const RUN: RunRecord = {
  ...{ id: "a", name: "otter", algorithm: "grpo", model: "tiny", dataset: "arithmetic", config: "" },
  ...{ status: "running", step: 0, maxSteps: 4, created: 1, updated: 1 },
  ...{ heroMetric: null, bestStep: null, pinned: false, error: null },
};

/** A journal with a database of its own. */
async function open(name: string) {
  const database = await openDatabase(name);
  await putRun(database, RUN);
  const events: WorkerEvent[] = [];
  const host = { now: () => 0 };
  const context = { database, host, emit: (event: WorkerEvent) => void events.push(event) };
  return { database, events, journal: new RunJournal(context, "a") };
}

describe("rollouts of a run", () => {
  it("are told without their tokens and kept with them", async () => {
    const { database, events, journal } = await open("journal-1");
    journal.rollout([record(1, 0, "x"), record(1, 0, "y")]);
    journal.rollout([record(3, 1, "z")]);
    await journal.settled();
    expect(events.map((event) => event.type)).toEqual(["rollouts", "rollouts"]);
    expect(JSON.stringify(events)).not.toContain("_ids");
    const { steps, set } = await runRollouts(database, "a", null);
    expect(steps).toEqual([1, 3]);
    expect(set?.answers.map(({ completion }) => completion)).toEqual(["z"]);
    const first = await runRollouts(database, "a", 1);
    expect(first.set?.answers.map(({ completion }) => completion)).toEqual(["x", "y"]);
    const { fileName, blob } = await exportRollouts(database, "a");
    expect(fileName).toBe("otter-rollouts.jsonl");
    const lines = (await blob.text()).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      record(1, 0, "x"),
      record(1, 0, "y"),
      record(3, 1, "z"),
    ]);
  });

  it("that come after a checkpoint are dropped with the rest", async () => {
    const { database, journal } = await open("journal-2");
    journal.rollout([record(1, 0, "x")]);
    journal.rollout([record(3, 1, "z")]);
    await journal.settled();
    journal.metrics(1, { loss: 2 });
    journal.metrics(3, { loss: 1 });
    await journal.settled();
    // Reading what will stay drops nothing: a run that cannot go on keeps all.
    expect((await journal.rowsUntil(2)).map(({ step }) => step)).toEqual([1]);
    expect((await journal.rowsUntil(9)).map(({ step }) => step)).toEqual([1, 3]);
    await journal.rewind(2);
    expect((await journal.rowsUntil(9)).map(({ step }) => step)).toEqual([1]);
    expect((await runRollouts(database, "a", null)).steps).toEqual([1]);
  });

  it("are none of a run that has none, and refused for one that is gone", async () => {
    const { database } = await open("journal-3");
    expect(await runRollouts(database, "a", null)).toEqual({ steps: [], set: null });
    await expect(runRollouts(database, "b", null)).rejects.toMatchObject({ code: "file-missing" });
  });
});
