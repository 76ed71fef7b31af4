import "fake-indexeddb/auto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type BrowserHost, createBrowserHost } from "../../src/host/browser.ts";
import { planDownload } from "../../src/worker/download_plan.ts";
import { requireConfig } from "../../src/worker/settings.ts";
import type { TestRepository } from "../hub/answers.ts";
import { hubFile, summaryRepositories } from "../hub/repositories.ts";
import { startHub, type TestHub } from "../hub/server.ts";

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const TRAIN = hubFile("gsm8k/main/train-00000-of-00001.parquet").length;
const SHARDS = { "one.safetensors": new Uint8Array(40), "two.safetensors": new Uint8Array(2) };
const INDEX = json({ weight_map: { a: "one.safetensors", b: "two.safetensors", c: "one.safetensors" } });

let hub: TestHub;
let host: BrowserHost;
let qwen: TestRepository | undefined;
beforeAll(async () => {
  const repositories = await summaryRepositories();
  [qwen] = repositories;
  hub = await startHub([
    ...repositories,
    { kind: "models", id: "me/bert", files: { "config.json": json({ model_type: "bert" }), ...SHARDS } },
    {
      ...{ kind: "models", id: "me/shards" },
      files: {
        ...{ "config.json": qwen?.files["config.json"] ?? json({}), "model.safetensors.index.json": INDEX },
        ...{ ...SHARDS, "unused.bin": new Uint8Array(1000) },
      },
    },
  ]);
});
afterAll(() => hub.close());
beforeEach(() => {
  hub.seen.length = 0;
  host = createBrowserHost({
    base: new URL(`${hub.url}/app/`),
    database: undefined,
    log: () => undefined,
    openSandboxPort: () => Promise.reject(new Error("There is no page.")),
    url: { retryDelays: [] },
  });
  host.setHub(hub.url);
});

const planOf = async (given: Readonly<Record<string, unknown>>) =>
  planDownload(
    host,
    (
      await requireConfig({
        given: {
          model_name: "Qwen/Qwen3-0.6B",
          dataset_name: "openai/gsm8k",
          config_name: "main",
          ...given,
        },
        recipe: null,
      })
    ).config,
  );
/** Requests for the bytes of large files. */
const fetched = () => hub.seen.filter(({ at }) => at === "storage");

describe("what a run would download", () => {
  it("is the model's files that are read and the rows, by the hub's own list", async () => {
    const { parts, total } = await planOf({});
    const files = qwen?.files ?? {};
    const read = Object.keys(files).reduce((sum, name) => sum + (files[name]?.length ?? 0), 0);
    expect(parts).toEqual([
      { what: "model", name: "Qwen/Qwen3-0.6B", bytes: read },
      { what: "data", name: "openai/gsm8k, train", bytes: TRAIN },
    ]);
    expect(total).toBe(read + TRAIN);
    expect(fetched()).toEqual([]);
  });

  it("counts the shards that the index names, once each", async () => {
    const { parts } = await planOf({ model_name: "me/shards" });
    expect(parts[0]?.bytes).toBe(42 + INDEX.length + (qwen?.files["config.json"]?.length ?? 0));
    expect(fetched()).toEqual([]);
  });

  it("has the split that rows are held out in", async () => {
    const given = { dataset_name: "google-research-datasets/mbpp", config_name: null, val_split_ratio: 0.1 };
    const { parts } = await planOf(given);
    expect(parts.map(({ name }) => name).slice(1)).toEqual([
      "google-research-datasets/mbpp, train",
      "google-research-datasets/mbpp, validation",
    ]);
  });

  it("is refused for a model that cannot be trained, before its weights are asked for", async () => {
    await expect(planOf({ model_name: "me/bert" })).rejects.toMatchObject({ code: "model-unsupported" });
    expect(fetched()).toEqual([]);
  });
});
