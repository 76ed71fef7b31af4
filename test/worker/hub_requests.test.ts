import "fake-indexeddb/auto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type BrowserHost, createBrowserHost } from "../../src/host/browser.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { hubDataset, hubModel } from "../../src/worker/hub_requests.ts";
import { hubFile, summaryRepositories } from "../hub/repositories.ts";
import { startHub, type TestHub } from "../hub/server.ts";

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const TRAIN = hubFile("gsm8k/main/train-00000-of-00001.parquet");

let hub: TestHub;
let host: BrowserHost;
beforeAll(async () => {
  const [qwen, ...others] = await summaryRepositories();
  const weights = { "model.safetensors": new Uint8Array(100) };
  hub = await startHub(
    [
      ...others,
      {
        ...{ kind: "models", id: "Qwen/Qwen3-0.6B", licence: "apache-2.0", parameters: 751632384 },
        files: { ...qwen?.files, "onnx.bin": new Uint8Array(9) },
      },
      {
        kind: "models",
        id: "me/moe",
        files: { "config.json": json({ model_type: "qwen3_moe" }), ...weights },
      },
      { kind: "models", id: "me/bin", files: { "config.json": qwen?.files["config.json"] ?? json({}) } },
      { kind: "models", id: "me/adapter", files: { "adapter_config.json": json({}) } },
      {
        ...{ kind: "models", id: "meta/gated", token: "hf_good", gated: "manual" },
        files: { "config.json": json({}), ...weights },
      },
      { kind: "datasets", id: "me/script", files: {}, converted: { default: { train: [TRAIN, TRAIN] } } },
    ],
    { hf_good: "captain" },
  );
});
afterAll(() => hub.close());
let count = 0;
beforeEach(async () => {
  hub.seen.length = 0;
  host = createBrowserHost({
    base: new URL(`${hub.url}/app/`),
    database: await openDatabase(`hub-requests-${count++}`),
    log: () => undefined,
    openSandboxPort: () => Promise.reject(new Error("There is no page.")),
    url: { retryDelays: [] },
  });
  host.setHub(hub.url);
});

describe("a model", () => {
  it("is described before anything large is fetched, by its id or its address", async () => {
    const info = await hubModel(host, `${hub.url}/Qwen/Qwen3-0.6B/tree/main`, null);
    const files = (await host.hub().openModel("Qwen/Qwen3-0.6B")).sizes ?? new Map<string, number>();
    const bytes = [...files].reduce((sum, [name, size]) => sum + (name === "onnx.bin" ? 0 : size), 0);
    expect(info).toMatchObject({
      ...{ id: "Qwen/Qwen3-0.6B", licence: "apache-2.0", gated: false, private: false, modelType: "qwen3" },
      ...{ supported: null, bytes, parameters: 751632384, complete: false },
    });
    expect(info.commit).toMatch(/^[0-9a-f]{40}$/);
    expect(hub.seen.filter(({ at }) => at === "storage")).toEqual([]);
  });

  it.each([
    [
      "me/moe",
      "qwen3_moe",
      /type "qwen3_moe" are not supported\. The nearest supported architecture is qwen3/,
      "qwen3",
    ],
    ["me/bin", "qwen3", /no weights in safetensors/, undefined],
    ["me/adapter", null, /It is an adapter/, undefined],
  ])("that cannot be trained says why: %s", async (name, modelType, reason, near) => {
    const { supported, modelType: found } = await hubModel(host, name, null);
    expect(found).toBe(modelType);
    expect(supported?.reason).toMatch(reason);
    expect(supported?.nearest[0]).toBe(near);
  });

  it("that is gated is refused until the token of somebody who was let in is given", async () => {
    await expect(hubModel(host, "meta/gated", null)).rejects.toMatchObject({
      code: "access-denied",
      details: { gated: true, hasToken: false, status: 401, id: "meta/gated" },
    });
    host.setHub(hub.url, "hf_bad");
    await expect(hubModel(host, "meta/gated", null)).rejects.toMatchObject({
      details: { gated: true, hasToken: true, status: 403, page: `${hub.url}/meta/gated` },
    });
    host.setHub(hub.url, "hf_good");
    const info = await hubModel(host, "meta/gated", null);
    expect(info).toMatchObject({ gated: "manual", modelType: null });
  });

  it("is not looked for by the address of a dataset", async () => {
    const address = "https://huggingface.co/datasets/openai/gsm8k";
    await expect(hubModel(host, address, null)).rejects.toThrow(/address of a dataset; a model is asked/);
    await expect(hubModel(host, "./here", null)).rejects.toThrow(/no name of the hub/);
  });
});

describe("a dataset", () => {
  it("says which subsets and splits it has", async () => {
    const info = await hubDataset(host, "datasets/gsm8k", null);
    expect(info).toMatchObject({ id: "openai/gsm8k", defaultSubset: null });
    expect(info.subsets.map(({ name }) => name)).toEqual(["main", "socratic"]);
    expect(info.subsets[0]?.splits[0]).toEqual({
      ...{ name: "train", bytes: TRAIN.length },
      files: ["main/train-00000-of-00001.parquet"],
    });
  });

  it("of a script has those of the hub's conversion", async () => {
    const { subsets, defaultSubset } = await hubDataset(host, "me/script", null);
    expect(defaultSubset).toBe("default");
    const files = ["default/train/0000.parquet", "default/train/0001.parquet"];
    expect(subsets[0]?.splits).toEqual([{ name: "train", bytes: 2 * TRAIN.length, files }]);
  });
});

describe("a token", () => {
  it("is checked at the hub that is set, and changes nothing by that", async () => {
    expect(await host.hubWith("hf_good").whoAmI()).toBe("captain");
    await expect(host.hubWith("hf_bad").whoAmI()).rejects.toMatchObject({ code: "access-denied" });
    hub.seen.length = 0;
    await hubModel(host, "Qwen/Qwen3-0.6B", null);
    expect(hub.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  it("is gone with another address", async () => {
    host.setHub(hub.url, "hf_good");
    host.setHub(`${hub.url}/`);
    await hubModel(host, "Qwen/Qwen3-0.6B", null);
    expect(hub.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
  });
});
