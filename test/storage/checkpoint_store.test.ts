import "fake-indexeddb/auto";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { CheckpointRecord, CheckpointStore } from "../../src/host/host.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { type Database, openDatabase } from "../../src/storage/database.ts";
import * as indexed from "../../src/storage/indexed_checkpoints.ts";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";
import { putRun } from "../../src/storage/runs.ts";
import { withQuota } from "./quota.ts";

function bytes(...values: number[]) {
  return new Uint8Array(values);
}

async function* records(entries: Record<string, Uint8Array<ArrayBuffer>>): AsyncGenerator<CheckpointRecord> {
  for (const [name, content] of Object.entries(entries))
    yield await Promise.resolve({ name, bytes: content });
}

async function* broken(): AsyncGenerator<CheckpointRecord> {
  yield await Promise.resolve({ name: "a", bytes: bytes(9) });
  throw new Error("the device was lost");
}

let count = 0;
let db: Database;
beforeEach(async () => {
  count += 1;
  db = await openDatabase(`checkpoints-${count}`);
});

const stores: [string, () => CheckpointStore | Promise<CheckpointStore>][] = [
  ["IndexedDB", () => indexed.indexedCheckpoints(db, () => 1)],
  ["memory", memoryCheckpoints],
  [
    "files",
    async () => {
      const dir = await mkdtemp(join(tmpdir(), "store-"));
      return createNodeHost({ publicDir: dir, runDir: (run) => join(dir, run) }).checkpoints;
    },
  ],
];

describe.each(stores)("every checkpoint store: %s", (_, make) => {
  it("keeps what was saved, in order of steps", async () => {
    const store = await make();
    expect(await store.steps("run")).toEqual([]);
    await store.save("run", 10, records({ a: bytes(1), b: bytes() }));
    await store.save("run", 9, records({ a: bytes(2) }));
    await store.save("run2", 1, records({ a: bytes(3) }));
    expect(await store.steps("run")).toEqual([9, 10]);
    expect(await store.load("run", 10, "a")).toEqual(bytes(1));
    expect(await store.load("run", 10, "b")).toEqual(bytes());
    expect(await store.load("run", 9, "b")).toBeUndefined();
    await store.remove("run", 10);
    expect(await store.steps("run")).toEqual([9]);
    expect(await store.load("run2", 1, "a")).toEqual(bytes(3));
  });

  it("replaces a step as a whole or not at all", async () => {
    const store = await make();
    await store.save("run", 5, records({ a: bytes(1), b: bytes(2) }));
    await expect(store.save("run", 5, broken())).rejects.toThrow("the device was lost");
    await expect(store.save("run", 6, broken())).rejects.toThrow("the device was lost");
    expect(await store.steps("run")).toEqual([5]);
    expect(await store.load("run", 5, "a")).toEqual(bytes(1));
    await store.save("run", 5, records({ a: bytes(3) }));
    expect(await store.load("run", 5, "a")).toEqual(bytes(3));
    expect(await store.load("run", 5, "b")).toBeUndefined();
  });
});

describe("checkpoints in IndexedDB", () => {
  it("leave no records behind, replaced, failed or removed", async () => {
    const store = indexed.indexedCheckpoints(db, () => 7);
    await store.save("run", 5, records({ a: bytes(1), b: bytes(2) }));
    await store.save("run", 5, records({ a: bytes(3) }));
    await expect(store.save("run", 6, broken())).rejects.toThrow();
    expect(await db.count("records")).toBe(1);
    expect(await indexed.listCheckpoints(db)).toMatchObject([{ run: "run", step: 5, bytes: 1, saved: 7 }]);
    await store.remove("run", 5);
    expect(await db.count("records")).toBe(0);
  });

  it.each([0, 1, 2])("are untouched when there is room for only %d writes", async (writes) => {
    const store = indexed.indexedCheckpoints(db, () => 1);
    await store.save("run", 5, records({ a: bytes(1) }));
    await withQuota(writes, async () => {
      const full = store.save("run", 5, records({ a: bytes(2), b: bytes(3) }));
      await expect(full).rejects.toMatchObject({ code: "storage-full" });
    });
    expect(await store.steps("run")).toEqual([5]);
    expect(await store.load("run", 5, "a")).toEqual(bytes(1));
    expect(await db.count("records")).toBe(1);
    await store.save("run", 6, records({ a: bytes(2), b: bytes(3) }));
    expect(await store.steps("run")).toEqual([5, 6]);
  });

  it("of a tab that was closed between records are not listed and swept by the next save", async () => {
    const store = indexed.indexedCheckpoints(db, () => 1);
    await store.save("run", 5, records({ a: bytes(1) }));
    await db.put("records", bytes(9), ["run", 6, "unnamed", "a"]);
    await db.put("records", bytes(9), ["run", 5, "unnamed", "a"]);
    await db.put("records", bytes(9), ["other", 5, "unnamed", "a"]);
    expect(await store.steps("run")).toEqual([5]);
    await expect(store.load("run", 6, "a")).rejects.toMatchObject({ code: "checkpoint-invalid" });
    await store.save("run", 7, records({ a: bytes(2) }));
    expect(await db.count("records")).toBe(3);
    expect(await store.load("run", 5, "a")).toEqual(bytes(1));
  });

  it("are refused when a record was changed or lost", async () => {
    const store = indexed.indexedCheckpoints(db, () => 1);
    await store.save("run", 5, records({ a: bytes(1), b: bytes(2) }));
    const [a = ["", 0, "", ""], b = ["", 0, "", ""]] = await db.getAllKeys("records");
    await db.put("records", bytes(7), a);
    await db.delete("records", b);
    await expect(store.load("run", 5, "a")).rejects.toMatchObject({ code: "checkpoint-invalid" });
    await expect(store.load("run", 5, "b")).rejects.toThrow("has lost its record b");
  });

  it("store a view of a large buffer without the rest of the buffer", async () => {
    const store = indexed.indexedCheckpoints(db, () => 1);
    await store.save("run", 5, records({ a: new Uint8Array(1000).subarray(10, 12) }));
    const [stored] = await db.getAll("records");
    expect(stored?.buffer.byteLength).toBe(2);
  });

  it("stay pinned through a rewrite, and pruning knows the best and the pinned", async () => {
    const store = indexed.indexedCheckpoints(db, () => 1);
    for (const step of [5, 10, 15]) await store.save("run", step, records({ a: bytes(step) }));
    await indexed.pinCheckpoint(db, "run", 5, true);
    await store.save("run", 5, records({ a: bytes(1) }));
    await putRun(db, {
      ...{ id: "run", name: "r", algorithm: "sft", model: "m", dataset: "d", config: "", status: "running" },
      ...{
        step: 15,
        maxSteps: 20,
        created: 1,
        updated: 1,
        heroMetric: null,
        bestStep: 10,
        pinned: false,
        error: null,
      },
    });
    expect(await indexed.keptSteps(db, "run")).toEqual([10, 5]);
    await indexed.pinCheckpoint(db, "run", 5, false);
    expect(await indexed.keptSteps(db, "run")).toEqual([10]);
    await expect(indexed.pinCheckpoint(db, "run", 6, true)).rejects.toMatchObject({
      code: "checkpoint-invalid",
    });
  });
});
