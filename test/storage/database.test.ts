import "fake-indexeddb/auto";
import { openDB } from "idb";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase, type RunRecord, STORES } from "../../src/storage/database.ts";
import { indexedCheckpoints } from "../../src/storage/indexed_checkpoints.ts";
import { putRollouts } from "../../src/storage/rollouts.ts";
import * as runs from "../../src/storage/runs.ts";
import { withQuota } from "./quota.ts";

let db: Database;
let count = 0;

beforeEach(async () => {
  count += 1;
  db = await openDatabase(`database-${count}`);
});
afterEach(() => db.close());

function run(id: string, change: Partial<RunRecord> = {}): RunRecord {
  return {
    id,
    name: `run ${id}`,
    algorithm: "sft",
    model: "aligntune-tiny",
    dataset: "ahoy",
    config: "algorithm: sft\n",
    status: "running",
    step: 0,
    maxSteps: 10,
    created: 1,
    updated: 1,
    heroMetric: null,
    bestStep: null,
    pinned: false,
    error: null,
    ...change,
  };
}

describe("the database", () => {
  it("has every store", () => {
    expect([...db.objectStoreNames].sort()).toEqual([...STORES].sort());
  });

  it("of an earlier version keeps what it has when it is opened", async () => {
    const old = await openDB("upgrade", 1, {
      upgrade: (before) => {
        before.createObjectStore("runs", { keyPath: "id" }).createIndex("updated", "updated");
        for (const name of ["metrics", "samples", "logs"])
          before.createObjectStore(name, { keyPath: ["run", "index"] });
        before.createObjectStore("manifests", { keyPath: ["run", "step"] });
        before.createObjectStore("records");
        before.createObjectStore("heartbeats", { keyPath: "run" });
      },
    });
    await old.put("runs", run("old"));
    old.close();
    const now = await openDatabase("upgrade");
    expect([...now.objectStoreNames].sort()).toEqual([...STORES].sort());
    expect((await runs.listRuns(now)).map(({ id }) => id)).toEqual(["old"]);
    expect([...now.transaction("hubRepositories").store.indexNames]).toEqual(["asked"]);
    now.close();
  });

  it("steps aside for a newer version and says so", async () => {
    let closed = 0;
    const old = await openDatabase("versions", () => {
      closed += 1;
    });
    await runs.putRun(old, run("a"));
    const newer = await openDB("versions", 99);
    expect(closed).toBe(1);
    await expect(runs.getRun(old, "a")).rejects.toThrow();
    expect(await newer.get("runs", "a")).toMatchObject({ id: "a" });
    newer.close();
  });
});

describe("runs", () => {
  it("are listed with the last touched first, changed and read", async () => {
    await runs.putRun(db, run("a", { updated: 5 }));
    await runs.putRun(db, run("b", { updated: 9 }));
    await runs.putRun(db, run("c", { updated: 7 }));
    expect((await runs.listRuns(db)).map(({ id }) => id)).toEqual(["b", "c", "a"]);
    const changed = await runs.updateRun(db, "a", {
      step: 3,
      updated: 10,
      heroMetric: { name: "loss", value: 2 },
    });
    expect(changed).toMatchObject({ id: "a", step: 3, name: "run a" });
    expect(await runs.getRun(db, "a")).toEqual(changed);
    await expect(runs.updateRun(db, "gone", { step: 1 })).rejects.toMatchObject({ code: "file-missing" });
  });

  it("go with all that belongs to them, and only that", async () => {
    const checkpoints = indexedCheckpoints(db, () => 1);
    for (const id of ["a", "ab"]) {
      await runs.putRun(db, run(id));
      await runs.appendRows(db, "metrics", id, [{ loss: 1 }]);
      await runs.appendRows(db, "samples", id, ["hello"]);
      await runs.appendRows(db, "logs", id, ["line"]);
      await runs.beat(db, { run: id, step: 1, at: 1 });
      await putRollouts(db, [{ run: id, step: 1, rollout: 0, records: [] }]);
      await checkpoints.save(id, 1, one("x"));
    }
    expect(await runs.deleteRun(db, "a")).toBe(true);
    const ofRuns = STORES.filter((name) => !name.startsWith("hub"));
    for (const name of ofRuns) expect(await db.count(name), name).toBe(1);
    expect(await runs.getRun(db, "ab")).toBeDefined();
  });

  it("are kept while pinned", async () => {
    await runs.putRun(db, run("a", { pinned: true }));
    expect(await runs.deleteRun(db, "a")).toBe(false);
    expect(await runs.getRun(db, "a")).toBeDefined();
  });
});

async function* one(name: string) {
  yield await Promise.resolve({ name, bytes: new Uint8Array(1) });
}

describe("journals", () => {
  it("grow in order and are read from any place", async () => {
    expect(await runs.appendRows(db, "metrics", "a", [{ step: 1 }, { step: 2 }])).toBe(2);
    expect(await runs.appendRows(db, "metrics", "b", [{ step: 9 }])).toBe(1);
    expect(await runs.appendRows(db, "metrics", "a", [{ step: 3 }])).toBe(3);
    expect(await runs.appendRows(db, "metrics", "a", [])).toBe(3);
    expect(await runs.readRows(db, "metrics", "a")).toEqual([{ step: 1 }, { step: 2 }, { step: 3 }]);
    expect(await runs.readRows(db, "metrics", "a", 2)).toEqual([{ step: 3 }]);
    expect(await runs.readRows(db, "logs", "a")).toEqual([]);
  });

  it("are cut to a checkpoint and go on from there", async () => {
    await runs.appendRows(db, "metrics", "a", [0, 1, 2, 3]);
    await runs.truncateRows(db, "metrics", "a", 2);
    expect(await runs.appendRows(db, "metrics", "a", ["again"])).toBe(3);
    expect(await runs.readRows(db, "metrics", "a")).toEqual([0, 1, "again"]);
  });

  it("add all rows or none when there is no room", async () => {
    await runs.appendRows(db, "metrics", "a", [0]);
    await withQuota(2, async () => {
      await expect(runs.appendRows(db, "metrics", "a", [1, 2, 3])).rejects.toMatchObject({
        code: "storage-full",
      });
    });
    expect(await runs.readRows(db, "metrics", "a")).toEqual([0]);
  });
});

describe("a write that cannot be cloned", () => {
  it("adds nothing of its batch", async () => {
    await expect(runs.appendRows(db, "metrics", "a", [1, () => 2])).rejects.toMatchObject({
      name: "DataCloneError",
    });
    expect(await runs.readRows(db, "metrics", "a")).toEqual([]);
  });
});

describe("heartbeats", () => {
  it("show runs that ended without saying goodbye", async () => {
    await runs.beat(db, { run: "crashed", step: 42, at: 1_000 });
    await runs.beat(db, { run: "alive", step: 7, at: 1_000 });
    await runs.beat(db, { run: "alive", step: 8, at: 60_000 });
    await runs.beat(db, { run: "closed", step: 3, at: 1_000 });
    await runs.endHeartbeat(db, "closed");
    expect(await runs.abandonedRuns(db, 61_000)).toEqual([{ run: "crashed", step: 42, at: 1_000 }]);
  });
});
