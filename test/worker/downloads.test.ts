import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHub } from "../../src/host/hub.ts";
import type { Repository } from "../../src/host/hub_store.ts";
import { nodeHubStore } from "../../src/host/node_hub_cache.ts";
import type { WorkerEvent } from "../../src/protocol/messages.ts";
import { Downloads, fetchForRun } from "../../src/worker/downloads.ts";
import { requireConfig } from "../../src/worker/settings.ts";
import { summaryRepositories } from "../hub/repositories.ts";
import { startHub, type TestHub } from "../hub/server.ts";

let hub: TestHub;
let cache = "";
beforeAll(async () => {
  hub = await startHub(await summaryRepositories());
  cache = await mkdtemp(join(tmpdir(), "downloads-"));
});
afterAll(async () => {
  await hub.close();
  await rm(cache, { recursive: true });
});

const repository: Repository = {
  ...{ key: "k", endpoint: "https://hub", kind: "models", id: "me/model", commit: "c", files: [] },
  ...{ licence: null, gated: false, private: false, parameters: null },
};

describe("a download", () => {
  it("is told at most ten times a second, with its rate, and always at its end", () => {
    const events: WorkerEvent[] = [];
    let now = 0;
    const downloads = new Downloads(
      (event) => events.push(event),
      () => now,
    );
    const report = (at: number, path: string, done: number) => {
      now = at;
      downloads.report({ repository, path, done: done * 2000, size: 2_000_000 });
    };
    downloads.report({ repository, path: "README.md", done: 9, size: 9 });
    report(0, "a", 0);
    report(50, "a", 200);
    report(100, "a", 400);
    report(150, "b", 0);
    report(200, "b", 600);
    report(210, "a", 1000);
    report(220, "b", 1000);
    const event = { type: "download", key: "k", name: "me/model" };
    expect(events).toEqual([
      { ...event, done: 0, total: 2_000_000 },
      { ...event, done: 800_000, total: 2_000_000, rate: 8_000_000 },
      { ...event, done: 2_000_000, total: 4_000_000, rate: 10_000_000 },
      { ...event, done: 4_000_000, total: 4_000_000, rate: 4_000_000 / 0.22 },
    ]);
  });
});

describe("what a run reads of hubs", () => {
  it("is all here before it begins, and told as one total", async () => {
    const events: WorkerEvent[] = [];
    const downloads = new Downloads(
      (event) => events.push(event),
      () => 0,
    );
    const connected = createHub({ endpoint: hub.url, onProgress: downloads.report }, nodeHubStore(cache));
    const host = {
      ...{ hub: () => connected, store: undefined },
      openModel: connected.openModel,
      openAdapter: (name: string) => connected.openModel(name),
      openDataset: (name: string, part = { subset: null, split: "train" as string | readonly string[] }) =>
        connected.openDataset(name, part),
    };
    const given = { model_name: "Qwen/Qwen3-0.6B", dataset_name: "gsm8k", config_name: "main" };
    const { config } = await requireConfig({ given, recipe: null });
    const told: number[] = [];
    const notes = await downloads.watched(
      (done) => told.push(done),
      () => fetchForRun(host, downloads, config),
    );
    expect(notes).toEqual([]);
    const { sizes = new Map<string, number>() } = await connected.openModel("Qwen/Qwen3-0.6B");
    const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    expect(events.at(-1)).toMatchObject({ name: "Qwen/Qwen3-0.6B", done: bytes, total: bytes });
    expect(told).toContain(bytes);
    hub.seen.length = 0;
    await fetchForRun(host, downloads, config);
    expect(hub.seen).toEqual([]);
  });
});
