import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { readRows } from "../../src/data/rows.ts";
import type { Host } from "../../src/host/host.ts";
import { createHub } from "../../src/host/hub.ts";
import type { HubOptions } from "../../src/host/hub_connection.ts";
import { createNodeHost, hubFromEnvironment } from "../../src/host/node.ts";
import { hubAddress, hubId } from "../../src/lib/hub.ts";
import type { TestRepository } from "../hub/answers.ts";
import { hubFile, summaryRepositories } from "../hub/repositories.ts";
import { startHub, type TestHub } from "../hub/server.ts";

const TRAIN = hubFile("gsm8k/main/train-00000-of-00001.parquet");
const TEST = hubFile("gsm8k/main/test-00000-of-00001.parquet");
const text = (content: string) => new TextEncoder().encode(content);
const rows = (...names: string[]) => text(names.map((name) => `{"prompt":"${name}"}\n`).join(""));

/** Datasets of every form that the hub knows. */
const DATASETS: Readonly<Record<string, Partial<TestRepository>>> = {
  "forms/one-file": { files: { "rows.jsonl": rows("a", "b"), ".gitattributes": text("") } },
  "forms/named": {
    files: { "data/train-1.jsonl": rows("b"), "data/train-0.jsonl": rows("a"), "data/dev.jsonl": rows("c") },
  },
  "forms/folders": { files: { "en/train.csv": text("prompt\na\n"), "de/train.csv": text("prompt\nb\n") } },
  "forms/split-folders": { files: { "train/0.jsonl": rows("a"), "test/0.jsonl": rows("b") } },
  "forms/declared": {
    files: {
      "README.md": text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n    train: ['x/{one,two}-[0-9].jsonl', 'y/**/deep.jsonl']\n    rest: x/three-?.jsonl\n- config_name: other\n  data_dir: z\n---\n",
      ),
      ...{ "x/one-1.jsonl": rows("a"), "x/two-2.jsonl": rows("b"), "x/three-3.jsonl": rows("d") },
      ...{ "y/p/q/deep.jsonl": rows("c"), "z/validation.jsonl": rows("e"), "z/train.jsonl": rows("f") },
    },
  },
  "forms/converted": { files: { "script.py": text("") }, converted: { default: { train: [TRAIN, TEST] } } },
  "forms/nothing": { files: { "loader.py": text(""), "README.md": text("# Rows\n") } },
};

let hub: TestHub;
let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hub-"));
  const extra = Object.entries(DATASETS).map(
    ([id, more]): TestRepository => ({ kind: "datasets", id, files: {}, ...more }),
  );
  const weights = { "config.json": text("{}"), "model.safetensors": text("12345678") };
  hub = await startHub([
    ...(await summaryRepositories()),
    ...extra,
    { kind: "models", id: "meta/gated", files: weights, token: "hf_good", gated: "manual" },
    { kind: "models", id: "me/private", files: weights, token: "hf_good" },
  ]);
});
afterAll(async () => {
  await hub.close();
  await rm(dir, { recursive: true });
});
afterEach(() => {
  hub.fault = undefined;
  hub.seen.length = 0;
});

const connect = (more: Partial<HubOptions> = {}) =>
  createHub({ endpoint: hub.url, retryDelays: [1, 1], ...more });
const nodeHost = (more: Partial<HubOptions> = {}): Host =>
  createNodeHost({
    publicDir: join(dir, "public"),
    runDir: () => dir,
    hubCache: join(dir, "cache"),
    hub: { endpoint: hub.url, retryDelays: [1, 1], ...more },
  });
const promptsOf = async (name: string, split: string | string[] = "train", subset: string | null = null) =>
  (await readRows(await connect().openDataset(name, { subset, split }))).rows.map((row) => row["prompt"]);

describe("a name", () => {
  it("of the hub is owner/name or name, perhaps with a revision", () => {
    expect(hubId("Qwen/Qwen3-0.6B")).toEqual({ id: "Qwen/Qwen3-0.6B", revision: undefined });
    expect(hubId("gpt2@v1.0")).toEqual({ id: "gpt2", revision: "v1.0" });
    for (const path of [
      "./model",
      "../model",
      "/a/b",
      "a/b/c",
      "rows.jsonl",
      "data/rows.csv",
      "a\\b",
      "",
      "~/x",
    ])
      expect(hubId(path), path).toBeUndefined();
  });

  it("of a hub is an https address, or one of this machine", () => {
    expect(hubAddress(" https://huggingface.co/ ")).toBe("https://huggingface.co");
    expect(hubAddress("https://mirror.example/hub/")).toBe("https://mirror.example/hub");
    expect(hubAddress("http://localhost:8080")).toBe("http://localhost:8080");
    expect(hubAddress("http://127.0.0.1:80")).toBe("http://127.0.0.1");
    for (const other of [
      ...["", "huggingface.co", "http://huggingface.co", "http://192.168.0.2", "ftp://localhost"],
      ...["https://me:secret@huggingface.co", "javascript:alert(1)"],
    ])
      expect(hubAddress(other), other).toBeUndefined();
  });

  it("is looked for on disk before it is looked for on the hub", async () => {
    const host = nodeHost();
    const snapshot = join(dir, "cache/models--Qwen--Qwen3-0.6B/snapshots/main");
    await mkdir(snapshot, { recursive: true });
    await writeFile(join(snapshot, "config.json"), "{}");
    // Half a download is no model.
    expect(await (await host.openModel("Qwen/Qwen3-0.6B")).list()).toContain("tokenizer.json");
    await rm(join(dir, "cache/models--Qwen--Qwen3-0.6B/refs"), { recursive: true });
    await writeFile(join(snapshot, "model.safetensors"), "");
    hub.seen.length = 0;
    expect(await (await host.openModel("Qwen/Qwen3-0.6B")).list()).toEqual([
      "config.json",
      "model.safetensors",
    ]);
    expect(hub.seen).toEqual([]);
    await rm(join(dir, "cache"), { recursive: true });
  });

  it("that can only be a file or folder is never asked for", async () => {
    await expect(nodeHost().openDataset("./none")).rejects.toMatchObject({ code: "file-missing" });
    await expect(nodeHost().openDataset("none.jsonl")).rejects.toMatchObject({ code: "file-missing" });
    expect(hub.seen).toEqual([]);
  });
});

describe("a model", () => {
  it("is read by ranges at the commit that its revision names", async () => {
    const folder = await connect().openModel("Qwen/Qwen3-0.6B");
    expect(folder.revision).toMatch(/^[0-9a-f]{40}$/);
    expect(await folder.open("absent.json")).toBeUndefined();
    const weights = await folder.open("model.safetensors");
    expect((await weights?.read(0, 8))?.length).toBe(8);
    const file = hub.seen.filter(({ path }) => path.endsWith("model.safetensors"));
    expect(file).toEqual([expect.objectContaining({ range: "bytes=0-1048575" })]);
    expect(file[0]?.path).toContain(`/resolve/${folder.revision}/`);
    const second = await connect().openModel("Qwen/Qwen3-0.6B", "second");
    expect(second.revision).not.toBe(folder.revision);
    expect((await connect().openModel("Qwen/Qwen3-0.6B@second")).revision).toBe(second.revision);
    const bytes = async (from: typeof folder) => {
      const asset = await from.open("model.safetensors");
      return asset && Buffer.from(await asset.read(0, asset.size)).toString("base64");
    };
    expect(await bytes(second)).not.toBe(await bytes(folder));
  });

  it("that is not there is refused, and so is a revision", async () => {
    await expect(connect({ token: "hf_good" }).openModel("Qwen/None")).rejects.toMatchObject({
      code: "file-missing",
      message: expect.stringContaining("does not have the model Qwen/None. Check the spelling."),
    });
    await expect(connect().openModel("Qwen/Qwen3-0.6B", "v9")).rejects.toThrow(/at the revision v9/);
  });
});

describe("a dataset", () => {
  it("of Parquet gives the split and subset that are asked for, under its older name too", async () => {
    const asset = await connect().openDataset("gsm8k", { subset: "main", split: "train[:3]" });
    expect(asset.part).toEqual({ subset: "main", split: "train", splits: ["train", "test"] });
    expect((await readRows(asset)).rows).toHaveLength(12);
    const test = await connect().openDataset("openai/gsm8k", {
      subset: "main",
      split: ["validation", "test"],
    });
    expect((await readRows(test)).rows).toHaveLength(4);
  });

  it("has a default subset, or asks which, and names its splits", async () => {
    const asset = await connect().openDataset("google-research-datasets/mbpp", {
      subset: null,
      split: "train",
    });
    expect(asset.part?.subset).toBe("full");
    for (const [part, message] of [
      [
        { subset: null, split: "train" },
        "openai/gsm8k has several subsets. Say which with config_name: main, socratic.",
      ],
      [
        { subset: "mian", split: "train" },
        'openai/gsm8k has no subset "mian". Set config_name to one of main, socratic.',
      ],
      [
        { subset: "main", split: "trian" },
        "openai/gsm8k, subset main, has no split trian. Set split to one of train, test.",
      ],
    ] as const)
      await expect(connect().openDataset("openai/gsm8k", part)).rejects.toMatchObject({
        code: "config-invalid",
        message,
      });
  });

  it("is found by the names of its files and folders where its README declares nothing", async () => {
    expect(await promptsOf("forms/one-file")).toEqual(["a", "b"]);
    expect(await promptsOf("forms/named")).toEqual(["a", "b"]);
    expect(await promptsOf("forms/named", "validation")).toEqual(["c"]);
    expect(await promptsOf("forms/folders", "train", "de")).toEqual(["b"]);
    await expect(promptsOf("forms/folders")).rejects.toThrow(/config_name: de, en/);
    expect(await promptsOf("forms/split-folders", "test")).toEqual(["b"]);
  });

  it("is found by the patterns that its README declares", async () => {
    expect(await promptsOf("forms/declared")).toEqual(["a", "b", "c"]);
    expect(await promptsOf("forms/declared", "rest")).toEqual(["d"]);
    expect(await promptsOf("forms/declared", "validation", "other")).toEqual(["e"]);
  });

  it("is not fetched before it is read, and says how large it is", async () => {
    const asset = await connect().openDataset("openai/gsm8k", { subset: "main", split: "train" });
    expect(asset.size).toBe(TRAIN.length);
    expect(hub.seen.filter(({ at }) => at === "storage")).toEqual([]);
    expect((await readRows(asset)).rows).toHaveLength(12);
    hub.fault = ({ at }) => (at === "storage" ? { status: 404 } : undefined);
    const gone = await connect().openDataset("openai/gsm8k", { subset: "main", split: "train" });
    await expect(readRows(gone)).rejects.toThrow(
      /lists .*train-00000-of-00001.parquet.* and does not have it/,
    );
    hub.fault = undefined;
    expect((await readRows(gone)).rows).toHaveLength(12);
  });

  it("of a script comes from the hub's conversion, or is refused", async () => {
    const asset = await connect().openDataset("forms/converted", { subset: null, split: "train" });
    expect((await readRows(asset)).rows).toHaveLength(16);
    expect(asset.name).toBe("default/train/0000.parquet");
    await expect(promptsOf("forms/nothing")).rejects.toMatchObject({
      code: "dataset-invalid",
      message: expect.stringMatching(/Python script, which is not run here/),
    });
  });
});

describe("a token", () => {
  const open = (name: string, token?: string) =>
    connect(token === undefined ? {} : { token }).openModel(name);
  /** What a gated repository is everybody may know; its files are for those who were let in. */
  const openConfig = async (name: string, token?: string) => (await open(name, token)).open("config.json");

  it("goes to the endpoint alone, not to where it redirects", async () => {
    const folder = await open("me/private", "hf_good");
    const asset = await folder.open("model.safetensors");
    expect(await asset?.read(0, 8)).toEqual(text("12345678"));
    const stored = hub.seen.filter(({ at }) => at === "storage");
    expect(stored).toEqual([expect.objectContaining({ authorization: undefined })]);
    const asked = hub.seen.filter(({ at }) => at === "hub").map(({ authorization }) => authorization);
    expect(asked).toEqual(["Bearer hf_good", "Bearer hf_good"]);
  });

  it.each([
    ["meta/gated", undefined, /only to people who accepted its terms.*set HF_TOKEN/, 401],
    ["me/private", undefined, /no such repository, or it is private/, 401],
    [
      "meta/gated",
      "hf_bad",
      /has not been let into config.json of meta\/gated. Accept its terms at .*\/meta\/gated;/,
      403,
    ],
    ["me/private", "hf_bad", /does not reach the model me\/private/, 403],
  ])("is asked for in words: %s with %s", async (name, token, message, status) => {
    const refused = openConfig(name, token);
    await expect(refused).rejects.toMatchObject({ code: "access-denied", details: { status } });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.not.toThrow(/hf_bad/);
  });

  it("that is not accepted is told apart from none", async () => {
    hub.fault = () => ({ status: 401 });
    await expect(open("me/private", "hf_old")).rejects.toThrow(/does not accept the token \(HF_TOKEN\)/);
  });
});

describe("in a page, which has no environment", () => {
  it.each([
    [
      "meta/gated",
      undefined,
      /terms. Accept them at .*meta\/gated, make a token .* enter it here. Or download/,
    ],
    ["me/private", undefined, /no such repository, or it is private.*enter it here/],
    ["me/none", undefined, /no such repository, or it is private/],
    ["meta/gated", "hf_bad", /has not been let into/],
  ])("a refusal of %s with %s says what can be done there", async (name, token, message) => {
    const refused = connect({ inPage: true, token })
      .openModel(name)
      .then((folder) => folder.open("config.json"));
    await expect(refused).rejects.toMatchObject({
      code: "access-denied",
      details: { id: name, hasToken: token !== undefined, page: `${hub.url}/${name}` },
    });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.not.toThrow(/HF_TOKEN/);
  });

  it("a hub that cannot be reached is told by its address", async () => {
    hub.fault = () => "page";
    await expect(connect({ inPage: true }).openModel("a/b")).rejects.toThrow(
      /or the hub address is not that/,
    );
    const gone = createHub({ endpoint: "http://127.0.0.1:9", retryDelays: [], inPage: true });
    const refused = gone.openModel("a/b");
    await expect(refused).rejects.toThrow(/Check the network and the hub address/);
    await expect(refused).rejects.not.toThrow(/HF_ENDPOINT/);
  });
});

describe("a hub that fails", () => {
  const open = () => connect().openModel("Qwen/Qwen3-0.6B");

  it("says how long to wait, and is not asked again before", async () => {
    hub.fault = () => ({ status: 429, headers: { "retry-after": "75" } });
    await expect(open()).rejects.toMatchObject({
      code: "network",
      message: expect.stringMatching(/takes no more requests for now. Try again in 75 seconds. With a token/),
      details: { status: 429, seconds: 75 },
    });
    expect(hub.seen).toHaveLength(1);
    hub.fault = () => ({ status: 429, headers: { ratelimit: '"api";r=0;t=120' } });
    await expect(open()).rejects.toThrow(/in 120 seconds/);
  });

  it("is asked again where that may help", async () => {
    let left = 2;
    hub.fault = () => (left-- > 0 ? { status: 503 } : undefined);
    expect((await open()).name).toBe("Qwen/Qwen3-0.6B");
    hub.fault = () => ({ status: 503 });
    await expect(open()).rejects.toMatchObject({ code: "network", details: { status: 503 } });
  });

  it("that cannot be reached says so, and what can be done", async () => {
    const gone = await startHub([]);
    await gone.close();
    const nobody = createHub({ endpoint: gone.url, retryDelays: [] });
    await expect(nobody.openModel("a/b")).rejects.toMatchObject({
      code: "network",
      message: expect.stringMatching(/cannot be reached for the model a\/b: it did not answer.*HF_ENDPOINT/),
      details: { reason: "ECONNREFUSED" },
    });
    const nowhere = createHub({ endpoint: "http://hub.invalid", retryDelays: [] });
    await expect(nowhere.openModel("a/b")).rejects.toThrow(/could not be looked up/);
  });

  it("that sends less than the file is not believed", async () => {
    const folder = await open();
    hub.fault = ({ at }) => (at === "storage" ? "short" : undefined);
    await expect(folder.open("model.safetensors")).rejects.toMatchObject({ code: "file-invalid" });
    hub.fault = ({ at }) => (at === "storage" ? "broken" : undefined);
    await expect(folder.open("model.safetensors")).rejects.toThrow(/broke off/);
    hub.fault = ({ at, path }) =>
      at === "hub" && path.endsWith("config.json") ? { status: 200 } : undefined;
    await expect(folder.open("config.json")).rejects.toThrow(/with 2 bytes; it should have/);
  });

  it("that is no hub is told", async () => {
    hub.fault = () => ({ status: 200, headers: { "content-type": "text/plain" } });
    await expect(open()).rejects.toThrow(/without saying which files it has/);
    hub.fault = () => "page";
    await expect(open()).rejects.toThrow(/answered with a web page/);
  });
});

describe("the environment", () => {
  it("names the endpoint and the token, as for huggingface_hub", () => {
    expect(hubFromEnvironment({})).toEqual({ endpoint: "https://huggingface.co", token: undefined });
    expect(hubFromEnvironment({ HF_ENDPOINT: "http://mirror/", HF_TOKEN: ' "hf_x" ' })).toEqual({
      endpoint: "http://mirror/",
      token: "hf_x",
    });
    expect(hubFromEnvironment({ HF_HUB_OFFLINE: "1" })).toBeUndefined();
  });
});
