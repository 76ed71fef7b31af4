import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readRows } from "../../src/data/rows.ts";
import { createHub } from "../../src/host/hub.ts";
import type { FileProgress, HubOptions } from "../../src/host/hub_connection.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { nodeHubStore } from "../../src/host/node_hub_cache.ts";
import { HUB_ENDPOINT } from "../../src/lib/hub.ts";
import { hubFile, summaryRepositories } from "../hub/repositories.ts";
import type { Fault } from "../hub/send_file.ts";
import { startHub, type TestHub } from "../hub/server.ts";

const TRAIN = hubFile("gsm8k/main/train-00000-of-00001.parquet");
/** Longer than what the first request of a file brings. */
const WEIGHTS = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 8)) % 251);
const text = (content: string) => new TextEncoder().encode(content);

let hub: TestHub;
let cache = "";
beforeAll(async () => {
  hub = await startHub([
    ...(await summaryRepositories()),
    {
      ...{ kind: "models", id: "me/large" },
      files: {
        "config.json": text('{"model_type":"x"}'),
        "model.safetensors": WEIGHTS,
        "empty.txt": text(""),
      },
    },
    {
      ...{ kind: "models", id: "me/gated", token: "hf_good", gated: "auto" },
      files: { "config.json": text("{}"), "model.safetensors": WEIGHTS },
    },
    { kind: "datasets", id: "me/script", files: {}, converted: { default: { train: [TRAIN, TRAIN] } } },
  ]);
});
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "hub-store-"));
});
afterEach(async () => {
  hub.fault = undefined;
  hub.seen.length = 0;
  await rm(cache, { recursive: true });
});
afterAll(() => hub.close());

const connect = (more: Partial<HubOptions> = {}) =>
  createHub({ endpoint: hub.url, retryDelays: [1, 1], ...more }, nodeHubStore(cache));
async function weights(more: Partial<HubOptions> = {}, id = "me/large") {
  const asset = await (await connect(more).openModel(id)).open("model.safetensors");
  if (!asset) throw new Error("there are weights");
  return asset;
}
const same = (a: Uint8Array | undefined, b: Uint8Array) => a !== undefined && Buffer.compare(a, b) === 0;
const stored = () => hub.seen.filter(({ at }) => at === "storage");
/** The faults of the requests for the bytes of large files, in their order; then none. */
function failing(...faults: readonly (Fault | undefined)[]): void {
  let asked = 0;
  hub.fault = ({ at }) => (at === "storage" ? faults[asked++] : undefined);
}
const folder = () => join(cache, "models--me--large");

describe("a file of a hub", () => {
  it("is fetched once and then read from the disk, with no request at all", async () => {
    const progress: FileProgress[] = [];
    const asset = await weights({ onProgress: (at) => progress.push(at) });
    expect(await asset.read(0, 8)).toEqual(WEIGHTS.slice(0, 8));
    expect(stored().map(({ range }) => range)).toEqual(["bytes=0-1048575"]);
    expect(same(await asset.read(2_000_000, 2_500_000), WEIGHTS.slice(2_000_000, 2_500_000))).toBe(true);
    expect(stored().map(({ range }) => range)).toEqual(["bytes=0-1048575", "bytes=1048576-2999999"]);
    expect(progress.at(0)?.done).toBe(1_048_576);
    expect(progress.at(-1)).toMatchObject({
      path: "model.safetensors",
      done: WEIGHTS.length,
      size: WEIGHTS.length,
    });
    hub.seen.length = 0;
    const again = await weights();
    expect(same(await again.read(0, again.size), WEIGHTS)).toBe(true);
    expect(hub.seen).toEqual([]);
  });

  it("lies where huggingface_hub looks for it", async () => {
    await (await weights()).stored?.fetch();
    const { revision = "" } = await connect().openModel("me/large");
    expect(await readFile(join(folder(), "refs/main"), "utf8")).toBe(revision);
    const hash = createHash("sha256").update(WEIGHTS).digest("hex");
    expect(await readdir(join(folder(), "blobs"))).toEqual([hash]);
    const link = await readlink(join(folder(), "snapshots", revision, "model.safetensors"));
    expect(link).toBe(`../../blobs/${hash}`);
  });

  it("may be empty", async () => {
    const asset = await (await connect().openModel("me/large")).open("empty.txt");
    expect(asset?.size).toBe(0);
    expect(await asset?.read(0, 0)).toEqual(new Uint8Array());
    await asset?.stored?.fetch();
    expect(asset?.stored?.bytes()).toBe(0);
  });

  it("goes on where it broke off, in the same run and in the next", async () => {
    const first = await weights({ retryDelays: [1], stallAfter: 250 });
    await first.read(0, 8);
    // Every try brings half of what is missing, so none of them is the last.
    failing("broken", "stalled", { status: 404 });
    await expect(first.stored?.fetch()).rejects.toMatchObject({ code: "file-missing" });
    const kept = first.stored?.bytes() ?? 0;
    expect(kept).toBeGreaterThan(2_000_000);
    expect(kept).toBeLessThan(WEIGHTS.length);
    hub.fault = undefined;
    hub.seen.length = 0;
    const next = await weights();
    expect(next.stored?.bytes()).toBe(kept);
    expect(same(await next.read(0, next.size), WEIGHTS)).toBe(true);
    expect(hub.seen.map(({ range }) => range)).toEqual(Array(2).fill(`bytes=${kept}-2999999`));
  });

  it("that arrives in drips arrives", async () => {
    failing("slow");
    const asset = await weights();
    expect(same(await asset.read(0, 1000), WEIGHTS.slice(0, 1000))).toBe(true);
  });

  it("with another content than the hub says is deleted, and told", async () => {
    failing(undefined, "changed");
    const asset = await weights();
    await asset.read(0, 8);
    await expect(asset.stored?.fetch()).rejects.toMatchObject({
      code: "file-invalid",
      message: expect.stringMatching(
        /model.safetensors of me\/large arrived with another content.*was deleted. Try again/,
      ),
    });
    expect(asset.stored?.bytes()).toBe(0);
    expect(await readdir(join(folder(), "blobs"))).toEqual([]);
    expect(same(await asset.read(0, asset.size), WEIGHTS)).toBe(true);
  });

  it("that was cut or grew on the disk is fetched anew", async () => {
    await (await weights()).stored?.fetch();
    const [blob = ""] = await readdir(join(folder(), "blobs"));
    await writeFile(join(folder(), "blobs", blob), WEIGHTS.subarray(0, 1000));
    const again = await weights();
    expect(again.stored?.bytes()).toBe(0);
    expect(same(await again.read(0, again.size), WEIGHTS)).toBe(true);
    await rm(join(folder(), "blobs", blob));
    await writeFile(join(folder(), "blobs", `${blob}.incomplete`), new Uint8Array(WEIGHTS.length + 1));
    expect((await weights()).stored?.bytes()).toBe(0);
  });

  it("is fetched once by all who read it at the same time", async () => {
    const store = nodeHubStore(cache);
    const opened = await Promise.all(
      [1, 2, 3].map(async () =>
        (await createHub({ endpoint: hub.url }, store).openModel("me/large")).open("model.safetensors"),
      ),
    );
    const reads = await Promise.all(opened.map((asset) => asset?.read(0, WEIGHTS.length)));
    expect(reads.every((bytes) => same(bytes, WEIGHTS))).toBe(true);
    expect(stored().map(({ range }) => range)).toEqual(["bytes=0-2999999"]);
  });

  it("that another program is adding to is left alone", async () => {
    const asset = await weights();
    await asset.read(0, 8);
    const [name = ""] = (await readdir(join(folder(), "blobs"))).filter((blob) =>
      blob.endsWith(".incomplete"),
    );
    await writeFile(join(folder(), "blobs", name), WEIGHTS.subarray(0, 2_000_000));
    await expect(asset.stored?.fetch()).rejects.toThrow(/Another program is downloading/);
    expect((await stat(join(folder(), "blobs", name))).size).toBe(2_000_000);
  });
});

describe("a hub that fails in the middle of a file", () => {
  it.each<[string, Fault, string, RegExp]>([
    ["is gone", "broken", "network", /the connection broke off|bytes came|cannot be reached/],
    ["stalls", "stalled", "network", /nothing came for|broke off/],
    ["sends less than it says", "short", "network", /only \d+ of \d+ bytes came/],
    [
      "says another length",
      "longer",
      "file-invalid",
      /sent model.safetensors .* with 3000001 bytes; it should have 3000000/,
    ],
    [
      "has lost it",
      { status: 404 },
      "file-missing",
      /lists model.safetensors of me\/large and does not have it/,
    ],
    ["is at its end", { status: 503 }, "network", /it answered 503/],
    ["sends a page", "page", "network", /answered with a web page when asked for model.safetensors/],
  ])("because it %s ends in words", async (_, fault, code, message) => {
    const asset = await weights({ retryDelays: [1], stallAfter: 250 });
    // The same at every try, after a beginning that was right.
    hub.fault = ({ at, range }) => (at === "storage" && range !== "bytes=0-1048575" ? fault : undefined);
    await asset.read(0, 8);
    const failed = asset.stored?.fetch();
    await expect(failed).rejects.toMatchObject({ code });
    await expect(failed).rejects.toThrow(message);
    hub.fault = undefined;
    expect(same(await asset.read(0, asset.size), WEIGHTS)).toBe(true);
  });

  it("because it has had enough says for how long", async () => {
    failing({ status: 429, headers: { "retry-after": "90" } });
    await expect((await weights()).stored?.fetch()).rejects.toMatchObject({
      code: "network",
      details: { status: 429, seconds: 90, id: "me/large", page: `${hub.url}/me/large` },
    });
    failing({ status: 429, headers: { "retry-after": "0" } }, { status: 502 });
    await (await weights()).stored?.fetch();
  });
});

describe("a dataset of a hub", () => {
  const part = { subset: "main", split: "train" };

  it("is read again without a request, under each of its names", async () => {
    expect((await readRows(await connect().openDataset("gsm8k", part))).rows).toHaveLength(12);
    hub.seen.length = 0;
    for (const name of ["gsm8k", "openai/gsm8k"])
      expect((await readRows(await connect().openDataset(name, part))).rows).toHaveLength(12);
    expect(hub.seen).toEqual([]);
  });

  it("that the hub converted is kept as well", async () => {
    const read = async () =>
      (await readRows(await connect().openDataset("me/script", { subset: null, split: "train" }))).rows;
    expect(await read()).toHaveLength(24);
    hub.seen.length = 0;
    expect(await read()).toHaveLength(24);
    expect(hub.seen).toEqual([]);
  });

  it("is there without a network, and what is not kept is told", async () => {
    const host = (offline: boolean) =>
      createNodeHost({
        ...{ publicDir: join(cache, "public"), runDir: () => cache, hubCache: cache },
        ...{ hub: offline ? undefined : { endpoint: hub.url } },
      });
    expect((await readRows(await host(false).openDataset("gsm8k", part))).rows).toHaveLength(12);
    hub.seen.length = 0;
    expect((await readRows(await host(true).openDataset("gsm8k", part))).rows).toHaveLength(12);
    await expect(
      host(true).openDataset("gsm8k", { subset: "main", split: "test" }).then(readRows),
    ).rejects.toThrow(/test-00000-of-00001.parquet of openai\/gsm8k is not kept here, and HF_HUB_OFFLINE/);
    await expect(host(true).openDataset("me/none", part)).rejects.toThrow(/HF_HUB_OFFLINE is set/);
    expect(hub.seen).toEqual([]);
  });
});

describe("a branch", () => {
  it("means what it meant when it was looked up, until it is looked up anew", async () => {
    const before = await connect().lookUp("models", "Qwen/Qwen3-0.6B");
    hub.seen.length = 0;
    expect((await connect().lookUp("models", "Qwen/Qwen3-0.6B", "main")).commit).toBe(before.commit);
    expect((await connect().lookUp("models", "Qwen/Qwen3-0.6B", before.commit)).commit).toBe(before.commit);
    expect(hub.seen).toEqual([]);
    await connect().lookUp("models", "Qwen/Qwen3-0.6B", null, true);
    expect(hub.seen).toHaveLength(1);
  });
});

describe("a token", () => {
  it("is written nowhere, and does not go to where files lie", async () => {
    const asset = await weights({ token: "hf_good" }, "me/gated");
    await asset.stored?.fetch();
    expect(stored().every(({ authorization }) => authorization === undefined)).toBe(true);
    expect(hub.seen.filter(({ at }) => at === "hub").every(({ authorization }) => authorization)).toBe(true);
    const names = await readdir(cache, { recursive: true, withFileTypes: true });
    for (const entry of names.filter((name) => name.isFile())) {
      const path = join(entry.parentPath, entry.name);
      expect(path).not.toContain("hf_good");
      expect((await readFile(path)).includes("hf_good"), path).toBe(false);
    }
    hub.fault = () => ({ status: 401 });
    const error = await connect({ token: "hf_good" })
      .lookUp("models", "me/other")
      .catch((cause: unknown) => cause);
    expect(JSON.stringify([error, String(error)])).not.toContain("hf_good");
  });

  it("is sent over https and to this machine alone", async () => {
    const sent: (string | null)[] = [];
    const fetched = globalThis.fetch;
    globalThis.fetch = (_, init) => {
      sent.push(new Headers(init?.headers).get("authorization"));
      return Promise.resolve(new Response("{}", { status: 401 }));
    };
    try {
      for (const endpoint of ["http://hub.example", HUB_ENDPOINT, "http://localhost:1"])
        await createHub({ endpoint, token: "hf_x", retryDelays: [] })
          .lookUp("models", "a/b")
          .catch(() => undefined);
      const withheld = createHub({ endpoint: "http://hub.example", token: "hf_x" }).lookUp("models", "a/b");
      await expect(withheld).rejects.toThrow(/a token is sent over https only/);
    } finally {
      globalThis.fetch = fetched;
    }
    expect(sent.slice(0, 3)).toEqual([null, "Bearer hf_x", "Bearer hf_x"]);
  });
});
