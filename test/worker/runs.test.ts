import "fake-indexeddb/auto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createBrowserHost } from "../../src/host/browser.ts";
import type { WorkerEvent } from "../../src/protocol/messages.ts";
import type { GivenSettings } from "../../src/protocol/values.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { listRuns } from "../../src/storage/runs.ts";
import { Downloads, fetchForChat } from "../../src/worker/downloads.ts";
import { library } from "../../src/worker/hub_requests.ts";
import { Runs } from "../../src/worker/runs.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../host/file_system.ts";
import { startHub, type TestHub } from "../hub/server.ts";

const WEIGHTS = new Uint8Array(3_000_000);
const text = (value: string) => new TextEncoder().encode(value);

let hub: TestHub;
let system: MemoryFileSystem;
let count = 0;
beforeAll(async () => {
  const files = { "config.json": text('{"model_type":"bert"}'), "model.safetensors": WEIGHTS };
  const rows = { "train.jsonl": text('{"prompt":"a","completion":"b"}\n') };
  const small = { ...files, "model.safetensors": text("small") };
  const adapter = { "adapter_config.json": text("{}"), "adapter_model.safetensors": text("small") };
  hub = await startHub([
    { kind: "models", id: "me/large", files },
    { kind: "models", id: "me/other", files: small },
    { kind: "models", id: "me/reward", files: small },
    // Its base's configuration lies beside it, as some programs save it.
    { kind: "models", id: "me/adapter", files: { ...adapter, "config.json": text("{}") } },
    { kind: "datasets", id: "me/rows", files: rows },
    { kind: "datasets", id: "me/held-out", files: rows },
  ]);
});
beforeEach(() => {
  hub.fault = undefined;
  system = memoryFileSystem();
  Object.defineProperty(globalThis, "navigator", {
    value: { storage: system.storage },
    configurable: true,
  });
});
afterAll(() => hub.close());

async function opened() {
  const database = await openDatabase(`runs-${count++}`);
  const events: WorkerEvent[] = [];
  let isArriving = () => {};
  const emit = (event: WorkerEvent) => {
    events.push(event);
    if (event.type === "status") isArriving();
  };
  const downloads = new Downloads(emit, () => performance.now());
  const host = createBrowserHost({
    ...{ base: new URL("http://127.0.0.1/"), database, onProgress: downloads.report },
    log: () => {},
    openSandboxPort: () => Promise.reject(new Error("no code is run here")),
  });
  host.setHub(hub.url);
  const sandbox = { open: host.userCode, attach: () => {} } as never;
  const runs = new Runs({ host, database, emit, sandbox, downloads });
  const given = { model_name: "me/large", dataset_name: "me/rows" };
  const start = ({ unkept = false, more = {} }: { unkept?: boolean; more?: GivenSettings } = {}) =>
    runs.start({
      ...{ given: { ...given, ...more }, recipe: null, files: {}, name: null, skipBadRows: false, unkept },
    });
  /** Its start is under way: half of the weights arrived, and no more come. */
  const stalled = async () => {
    hub.fault = ({ at }) => (at === "storage" ? "stalled" : undefined);
    const arriving = new Promise<void>((resolve) => {
      isArriving = resolve;
    });
    const starting = start();
    const ended = starting.catch((error: unknown) => error);
    await Promise.race([arriving, ended]);
    const event = events.find((one) => one.type === "status");
    if (event?.type !== "status") throw new Error("nothing is prepared");
    const largest = () => Math.max(0, ...[...system.files.values()].map(({ bytes }) => bytes.length));
    await expect.poll(largest, { interval: 2 }).toBe(WEIGHTS.length / 2);
    return { runId: event.runId, ended };
  };
  return { runs, host, downloads, events, database, start, stalled };
}

describe("a run that is being prepared", () => {
  it("ends when it is cancelled; what arrived stays, and the next one goes on with it", async () => {
    const { runs, host, events, database, start, stalled } = await opened();
    const { runId, ended } = await stalled();
    await expect(start()).rejects.toThrow(/is being prepared. Cancel that/);
    await expect(runs.release()).rejects.toThrow(/is being prepared/);
    await runs.cancel("another");
    await runs.cancel(runId);
    expect(await ended).toMatchObject({ code: "cancelled" });
    expect(await listRuns(database)).toEqual([]);
    const [entry] = (await library(host)).entries.filter(({ kind }) => kind === "model");
    expect(entry?.bytes).toBeGreaterThanOrEqual(WEIGHTS.length / 2);
    expect(entry?.complete).toBe(false);
    const told = events.length;
    hub.fault = undefined;
    hub.seen.length = 0;
    // All of it arrives then, and is no model.
    await expect(start()).rejects.toThrow(/model.safetensors: its header/);
    expect(hub.seen.find(({ at }) => at === "storage")?.range).not.toBe("bytes=0-2999999");
    expect(events.slice(0, told).every((event) => event.type !== "status" || event.runId === runId)).toBe(
      true,
    );
    expect((await library(host)).entries.every(({ complete }) => complete)).toBe(true);
    await runs.release();
  });

  it("ends when it is discarded", async () => {
    const { runs, database, stalled } = await opened();
    const { runId, ended } = await stalled();
    await runs.discard(runId);
    expect(await ended).toMatchObject({ code: "cancelled" });
    expect(await listRuns(database)).toEqual([]);
    await runs.release();
  });
});

describe("a download that the storage has no room for", () => {
  it("is refused with its numbers before anything is fetched, or not kept where that was chosen", async () => {
    const { host, start } = await opened();
    system.quota = 64 * 1024 * 1024 + 2_000_000;
    hub.seen.length = 0;
    const missing = WEIGHTS.length + 21 + 32;
    await expect(start()).rejects.toMatchObject({
      code: "storage-full",
      message: expect.stringMatching(
        /no room to keep me\/large and me\/rows: 3.0 MB are .* has 69.1 MB free, of which 67.1 MB .*without keeping/,
      ),
      details: { missing, free: system.quota, canGoOn: true },
    });
    expect(hub.seen.filter(({ at }) => at === "storage")).toEqual([]);
    await expect(start({ unkept: true })).rejects.toThrow(/model.safetensors: its header/);
    expect((await library(host)).entries).toEqual([]);
  });

  it("goes on without being kept when the storage is full before its time, and says so", async () => {
    const { host, downloads } = await opened();
    const { estimate } = system.storage as { estimate: () => Promise<unknown> };
    Object.assign(system.storage as object, { estimate: async () => ({ usage: 0, quota: 1e9 }) });
    system.quota = 2_000_000;
    const notes = await fetchForChat(host, downloads, "me/large", null);
    expect(notes).toEqual([
      expect.stringMatching(/^me\/large is kept only in part: .* no room .* 1\.0 MB, is read from the hub/),
    ]);
    const weights = await (await host.openModel("me/large")).open("model.safetensors");
    expect(await weights?.read(2_900_000, 2_900_003)).toEqual(new Uint8Array(3));
    expect(weights?.stored?.bytes()).toBeLessThan(2_000_000);
    Object.assign(system.storage as object, { estimate });
  });
});

describe("what a chat and a run read of hubs beside the model", () => {
  it("is kept: adapter, reward model, evaluation data, and a model alone", async () => {
    const { host, downloads, start } = await opened();
    expect(await fetchForChat(host, downloads, "me/other", null)).toEqual([]);
    const more = { ...{ adapter_name_or_path: "me/adapter", eval_dataset_name: "me/held-out" } };
    const ppo = { algorithm: "ppo", reward_model_name: "me/reward", rewards: ["reward_model"] };
    await expect(start({ more: { ...more, ...ppo } })).rejects.toThrow(/model.safetensors: its header/);
    const { entries } = await library(host);
    const ids = ["me/adapter", "me/held-out", "me/large", "me/other", "me/reward", "me/rows"];
    expect(entries.map(({ id }) => id).sort()).toEqual(ids);
    expect(entries.every(({ complete }) => complete)).toBe(true);
    const adapter = entries.find(({ id }) => id === "me/adapter");
    expect(adapter?.files.map(({ name }) => name)).toEqual([
      "adapter_config.json",
      "adapter_model.safetensors",
    ]);
    // With the hub gone all of it is still here.
    hub.fault = () => ({ status: 503 });
    hub.seen.length = 0;
    await expect(start({ more: { ...more, ...ppo } })).rejects.toThrow(/model.safetensors: its header/);
    expect(await fetchForChat(host, downloads, "me/other", null)).toEqual([]);
    expect(hub.seen).toEqual([]);
  });
});
