import "fake-indexeddb/auto";
import { openDB } from "idb";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../../src/storage/database.ts";
import {
  eachRollout,
  putRollouts,
  readRollout,
  rolloutSteps,
  truncateRollouts,
} from "../../src/storage/rollouts.ts";
import { withQuota } from "./quota.ts";

let db: Database;
let count = 0;

beforeEach(async () => {
  count += 1;
  db = await openDatabase(`rollouts-${count}`);
});
afterEach(() => db.close());

const rollout = (run: string, step: number, number: number, ...records: readonly unknown[]) => ({
  ...{ run, step, rollout: number, records },
});

describe("rollouts", () => {
  it("are read by the step that learned from them, of one run only", async () => {
    await putRollouts(db, [rollout("a", 5, 1, "c"), rollout("a", 1, 0, "a", "b"), rollout("ab", 2, 0, "x")]);
    expect(await rolloutSteps(db, "a")).toEqual([1, 5]);
    expect(await readRollout(db, "a", 1)).toEqual(["a", "b"]);
    expect(await readRollout(db, "a", 2)).toEqual([]);
    const all: unknown[] = [];
    for await (const { records } of eachRollout(db, "a")) all.push(...records);
    expect(all).toEqual(["a", "b", "c"]);
  });

  it("are replaced when a run that went back makes them again", async () => {
    await putRollouts(db, [rollout("a", 1, 0, "old")]);
    await putRollouts(db, [rollout("a", 1, 0, "new")]);
    expect(await readRollout(db, "a", 1)).toEqual(["new"]);
  });

  it("go after the step of a checkpoint, and not that step itself", async () => {
    await putRollouts(
      db,
      [1, 5, 9].map((step, i) => rollout("a", step, i, step)),
    );
    await truncateRollouts(db, "a", 5);
    expect(await rolloutSteps(db, "a")).toEqual([1, 5]);
    await truncateRollouts(db, "a", -1);
    expect(await rolloutSteps(db, "a")).toEqual([]);
  });

  it("are kept whole or not at all when there is no room", async () => {
    await withQuota(1, async () => {
      await expect(putRollouts(db, [rollout("a", 1, 0, "x"), rollout("a", 2, 1, "y")])).rejects.toMatchObject(
        { code: "storage-full" },
      );
    });
    expect(await rolloutSteps(db, "a")).toEqual([]);
  });
});

describe("a database of an earlier version", () => {
  it("keeps its runs and gets room for rollouts", async () => {
    const old = await openDB("earlier", 1, {
      upgrade(made) {
        made.createObjectStore("runs", { keyPath: "id" }).createIndex("updated", "updated");
      },
    });
    await old.put("runs", { id: "a", updated: 1 });
    old.close();
    const now = await openDatabase("earlier");
    expect(await now.get("runs", "a")).toEqual({ id: "a", updated: 1 });
    await putRollouts(now, [rollout("a", 1, 0, "x")]);
    expect(await readRollout(now, "a", 1)).toEqual(["x"]);
    now.close();
  });
});
