import "fake-indexeddb/auto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHub } from "../../src/host/hub.ts";
import type { HubOptions } from "../../src/host/hub_connection.ts";
import { opfsHubStore } from "../../src/host/opfs_store.ts";
import { type Database, openDatabase } from "../../src/storage/database.ts";
import { hubModel, library } from "../../src/worker/hub_requests.ts";
import { startHub, type TestHub } from "../hub/server.ts";
import { type MemoryFileSystem, memoryFileSystem } from "./file_system.ts";

const WEIGHTS = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 8)) % 251);
const CONFIG = new TextEncoder().encode('{"model_type":"bert"}');

let hub: TestHub;
let system: MemoryFileSystem;
let db: Database;
let count = 0;
let now = 1000;
beforeAll(async () => {
  const files = { "config.json": CONFIG, "model.safetensors": WEIGHTS };
  hub = await startHub([
    { kind: "models", id: "me/large", files },
    { kind: "models", id: "me/unnamed", files },
  ]);
});
beforeEach(async () => {
  hub.fault = undefined;
  hub.seen.length = 0;
  system = memoryFileSystem();
  Object.defineProperty(globalThis, "navigator", {
    value: { storage: system.storage },
    configurable: true,
  });
  db = await openDatabase(`opfs-${count++}`);
});
afterAll(() => hub.close());

const same = (a: Uint8Array | undefined, b: Uint8Array) => a !== undefined && Buffer.compare(a, b) === 0;
const ranges = () => hub.seen.filter(({ at }) => at === "storage").map(({ range }) => range);
/** As after a reload: nothing but the database and the files is left. */
function reloaded(more: Partial<HubOptions> = {}) {
  const store = opfsHubStore(db, () => now, 0);
  const connected = createHub({ endpoint: hub.url, retryDelays: [1], inPage: true, ...more }, store);
  const weights = async () => {
    const asset = await (await connected.openModel("me/large")).open("model.safetensors");
    if (!asset?.stored) throw new Error("there are weights, and they are kept");
    return { ...asset, stored: asset.stored };
  };
  return { host: { hub: () => connected, store }, store, weights };
}

describe("the files of hubs in a browser", () => {
  it("are fetched in parts, and only the parts that are missing", async () => {
    const asset = await reloaded().weights();
    expect(same(await asset.read(10, 20), WEIGHTS.slice(10, 20))).toBe(true);
    const again = await reloaded().weights();
    expect(again.stored.bytes()).toBe(1_048_576);
    expect(same(await again.read(0, WEIGHTS.length), WEIGHTS)).toBe(true);
    expect(ranges()).toEqual(["bytes=0-1048575", "bytes=1048576-2999999"]);
    hub.seen.length = 0;
    expect(same(await (await reloaded().weights()).read(0, WEIGHTS.length), WEIGHTS)).toBe(true);
    expect(hub.seen).toEqual([]);
  });

  it("count what came before a break, and nothing that did not", async () => {
    let asked = 0;
    hub.fault = ({ at }) => (at === "storage" ? (["broken", { status: 404 }] as const)[asked++] : undefined);
    const first = await reloaded().weights();
    await expect(first.stored.fetch()).rejects.toMatchObject({ code: "file-missing" });
    const kept = first.stored.bytes();
    expect(kept).toBeGreaterThan(100_000);
    hub.fault = undefined;
    hub.seen.length = 0;
    const second = await reloaded().weights();
    expect(second.stored.bytes()).toBe(kept);
    expect(same(await second.read(0, WEIGHTS.length), WEIGHTS)).toBe(true);
    expect(ranges()).toEqual([`bytes=${kept}-2999999`]);
  });

  it.each([1000, WEIGHTS.length + 1])("that have %d bytes on the disk are fetched anew", async (length) => {
    await (await reloaded().weights()).stored.fetch();
    for (const file of system.files.values()) file.bytes = new Uint8Array(length);
    const again = await reloaded().weights();
    expect(again.stored.bytes()).toBe(0);
    expect(same(await again.read(0, WEIGHTS.length), WEIGHTS)).toBe(true);
  });

  it("with another content are deleted, whichever way the hub names it", async () => {
    for (const file of ["model.safetensors", "config.json"]) {
      const { host } = reloaded();
      const asset = await (await host.hub().openModel("me/large")).open(file);
      hub.fault = ({ path, at }) => (at === "storage" || path.endsWith(file) ? "changed" : undefined);
      await expect(asset?.stored?.fetch()).rejects.toThrow(/arrived with another content/);
      expect(asset?.stored?.bytes()).toBe(0);
      hub.fault = undefined;
      await asset?.stored?.fetch();
      expect(asset?.stored?.bytes()).toBe(asset?.size);
    }
  });

  it("that the hub does not name must have one ETag from beginning to end", async () => {
    const { host } = reloaded();
    const listed = await host.hub().lookUp("models", "me/unnamed");
    const files = listed.files.map((file) => ({ ...file, hash: null }));
    await host.store.keep({ ...listed, files }, { ...listed, id: "me/unnamed", revision: null });
    const open = async () => (await reloaded().host.hub().openModel("me/unnamed")).open("model.safetensors");
    await (await open())?.read(0, 8);
    hub.fault = ({ at }) => (at === "storage" ? "changed" : undefined);
    const asset = await open();
    await expect(asset?.stored?.fetch()).rejects.toMatchObject({
      code: "file-invalid",
      message: expect.stringMatching(/changed at .* while it was fetched/),
    });
    expect(asset?.stored?.bytes()).toBe(0);
  });

  it("are read and not kept where there is no room, and that is told", async () => {
    system.quota = 2_000_000;
    const notes: string[] = [];
    const asset = await reloaded({ onNote: (text) => notes.push(text) }).weights();
    await expect(asset.stored.fetch()).rejects.toMatchObject({ code: "storage-full" });
    expect(same(await asset.read(0, WEIGHTS.length), WEIGHTS)).toBe(true);
    expect(notes).toEqual([expect.stringMatching(/no room for model.safetensors.*kept nowhere/)]);
    expect(asset.stored.bytes()).toBeLessThanOrEqual(2_000_000);
  });

  it("are not written by two tabs at once", async () => {
    const asset = await reloaded().weights();
    await asset.read(0, 8);
    const weights = [...system.files.values()].find(({ bytes }) => bytes.length > 1000);
    if (weights) weights.isHeld = true;
    await expect(asset.stored.fetch()).rejects.toMatchObject({ details: { otherTab: true } });
  });

  it("are nowhere in a window that has none, and still read", async () => {
    Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
    const asset = await (await reloaded().host.hub().openModel("me/large")).open("model.safetensors");
    expect(asset?.stored).toBeUndefined();
    expect(same(await asset?.read(0, WEIGHTS.length), WEIGHTS)).toBe(true);
  });
});

describe("the library", () => {
  it("says what is here, until it is removed", async () => {
    const { host, store, weights } = reloaded();
    const before = await hubModel(host, "me/large", null);
    expect(before).toMatchObject({ storedBytes: CONFIG.length, complete: false });
    expect(before.bytes).toBe(CONFIG.length + WEIGHTS.length);
    await (await weights()).stored.fetch();
    now = 2000;
    expect(await hubModel(host, "me/large", "main")).toMatchObject({
      ...{ storedBytes: before.bytes, complete: true, key: before.key },
    });
    const { entries, used, persistent } = await library(host);
    expect(entries).toEqual([
      {
        ...{ key: before.key, kind: "model", id: "me/large", commit: before.commit, revision: "main" },
        ...{ host: new URL(hub.url).host, bytes: before.bytes, totalBytes: before.bytes },
        ...{ complete: true, lastUsed: 2000 },
        files: [
          { name: "config.json", bytes: CONFIG.length, size: CONFIG.length },
          { name: "model.safetensors", bytes: WEIGHTS.length, size: WEIGHTS.length },
        ],
      },
    ]);
    expect({ used, persistent }).toEqual({ used: before.bytes, persistent: false });
    await store.remove(before.key);
    expect((await library(host)).entries).toEqual([]);
    expect(system.files.size).toBe(0);
    hub.seen.length = 0;
    expect((await weights()).stored.bytes()).toBe(0);
    expect(hub.seen.length).toBeGreaterThan(0);
  });

  it("clears what no listing knows", async () => {
    const { store, weights } = reloaded();
    await (await weights()).read(0, 8);
    system.files.set("hub/forgotten/file", { bytes: new Uint8Array(9), isHeld: false });
    await store.list();
    expect([...system.files.keys()].some((name) => name.includes("forgotten"))).toBe(false);
    expect(system.files.size).toBeGreaterThan(0);
  });
});
