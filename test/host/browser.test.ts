import "fake-indexeddb/auto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createBrowserHost } from "../../src/host/browser.ts";
import { fileAsset, fileFolder } from "../../src/host/file_asset.ts";
import { memoryAsset, memoryFolder } from "../../src/host/memory.ts";
import { openUrl, urlFolder } from "../../src/host/url_asset.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { summaryRepositories } from "../hub/repositories.ts";
import { startHub } from "../hub/server.ts";

const big = Uint8Array.from({ length: 3 * 1024 * 1024 }, (_, i) => (i * 7 + (i >> 10)) % 251);
const huge = new Uint8Array(33 * 1024 * 1024).fill(5);
const files = new Map<string, Uint8Array>([
  ["/models/tiny/config.json", new TextEncoder().encode('{"model_type":"qwen3"}')],
  ["/datasets/ahoy.jsonl", new TextEncoder().encode("{}\n")],
  ["/big.bin", big],
  ["/huge.bin", huge],
  ["/empty.bin", new Uint8Array()],
  ["/a b%.bin", new Uint8Array([1])],
]);

/** How the server behaves in a test, and what it was asked. */
const server = {
  ranges: true,
  spa: false,
  fail: 0,
  status: 503,
  cut: false,
  asked: [] as string[],
  auth: "",
};
let base = new URL("http://localhost/");

function answer(request: IncomingMessage, response: ServerResponse) {
  const path = decodeURIComponent(request.url ?? "");
  server.asked.push(`${path} ${request.headers.range ?? ""}`);
  server.auth = request.headers.authorization ?? "";
  if (server.fail > 0) {
    server.fail -= 1;
    if (server.status === 0) return void response.destroy();
    return void response.writeHead(server.status).end("no");
  }
  const content = files.get(path);
  if (!content) {
    if (server.spa)
      return void response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
    return void response.writeHead(404).end("not here");
  }
  if (!server.ranges) return void response.writeHead(200).end(content);
  const [, from = "0", to = ""] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  const [start, end] = [Number(from), Math.min(Number(to) + 1, content.length)];
  if (start >= content.length)
    return void response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
  const body = content.subarray(start, end);
  response.writeHead(206, {
    "content-range": `bytes ${start}-${end - 1}/${content.length}`,
    "content-length": body.length,
  });
  if (server.cut) return void response.write(body.subarray(0, 1), () => response.destroy());
  response.end(body);
}

const http = createServer(answer);
beforeAll(async () => {
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  base = new URL(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`);
});
afterAll(() => http.close());
beforeEach(() => {
  Object.assign(server, { ranges: true, spa: false, fail: 0, status: 503, cut: false, asked: [] });
});

/** `toEqual` walks element by element, which takes seconds on a megabyte. */
function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

const options = { retryDelays: [1, 1] };
const open = (path: string) => openUrl(new URL(path, base), options);

describe.each([true, false])("a file on a server (ranges: %s)", (ranges) => {
  beforeEach(() => {
    server.ranges = ranges;
  });

  it("is read by range", async () => {
    const asset = await open("big.bin");
    expect(asset).toMatchObject({ name: "big.bin", size: big.length });
    expect(await asset?.read(5, 9)).toEqual(big.slice(5, 9));
    expect(same(await asset?.read(1_500_000, 2_500_000), big.slice(1_500_000, 2_500_000))).toBe(true);
    expect(same(await asset?.read(0, big.length), big)).toBe(true);
    expect(await asset?.read(big.length, big.length)).toHaveLength(0);
    await expect(asset?.read(0, big.length + 1)).rejects.toMatchObject({ code: "file-invalid" });
    expect(server.asked.length).toBeLessThanOrEqual(2);
  });

  it("may be empty, absent or oddly named", async () => {
    expect(await open("empty.bin")).toMatchObject({ size: 0 });
    expect(await open("none.bin")).toBeUndefined();
    expect(await urlFolder(base, "root", options).open("a b%.bin")).toMatchObject({
      name: "a b%.bin",
      size: 1,
    });
    server.spa = true;
    expect(await open("none.bin")).toBeUndefined();
  });
});

describe("a large file on a server", () => {
  it("comes in the pieces that are asked for", async () => {
    const asset = await open("huge.bin");
    expect(await asset?.read(huge.length - 2, huge.length)).toEqual(new Uint8Array([5, 5]));
    expect(server.asked).toEqual([
      "/huge.bin bytes=0-1048575",
      `/huge.bin bytes=${huge.length - 2}-${huge.length - 1}`,
    ]);
  });

  it("that changes while in use is refused", async () => {
    const asset = await open("huge.bin");
    files.set("/huge.bin", huge.subarray(1));
    await expect(asset?.read(2_000_000, 2_000_001)).rejects.toThrow("changed while in use");
    files.set("/huge.bin", huge);
    expect(await asset?.read(2_000_000, 2_000_001)).toEqual(new Uint8Array([5]));
  });
});

describe("a failing server", () => {
  it.each([503, 429, 0])("is tried again: %d", async (status) => {
    Object.assign(server, { fail: 2, status });
    expect(await open("big.bin")).toMatchObject({ size: big.length });
    expect(server.asked).toHaveLength(3);
  });

  it("is given up after the last try, with host and status", async () => {
    Object.assign(server, { fail: 9, status: 500 });
    await expect(open("big.bin")).rejects.toMatchObject({ code: "network", details: { status: 500 } });
    expect(server.asked).toHaveLength(3);
    Object.assign(server, { fail: 9, status: 0 });
    await expect(open("big.bin")).rejects.toThrow(`${base.host}: /big.bin: it did not answer`);
  });

  it("that refuses is not asked again, and gets the headers it was given", async () => {
    Object.assign(server, { fail: 1, status: 403 });
    const refused = openUrl(new URL("big.bin", base), { ...options, headers: { authorization: "Bearer x" } });
    await expect(refused).rejects.toMatchObject({ code: "network", details: { status: 403 } });
    expect(server.asked).toHaveLength(1);
    expect(server.auth).toBe("Bearer x");
  });

  it("that breaks off is named, and a later read may succeed", async () => {
    const asset = await open("big.bin");
    server.cut = true;
    await expect(asset?.read(0, big.length)).rejects.toThrow("the connection broke off");
    server.cut = false;
    expect(await asset?.read(big.length - 1, big.length)).toEqual(big.slice(-1));
  });
});

describe("a dropped file", () => {
  it("is read by range", async () => {
    const asset = fileAsset(new File([new Uint8Array([1, 2, 3])], "a.bin"));
    expect(asset).toMatchObject({ name: "a.bin", size: 3 });
    expect(await asset.read(1, 3)).toEqual(new Uint8Array([2, 3]));
    await expect(asset.read(1, 4)).rejects.toMatchObject({ code: "file-invalid" });
  });

  it("in a folder has a name of its own", async () => {
    const [a, b] = [new File(["1"], "a"), new File(["22"], "b")];
    const folder = fileFolder("mine", [b, a]);
    expect(await folder.list()).toEqual(["a", "b"]);
    expect(await folder.open("b")).toMatchObject({ size: 2 });
    expect(await folder.open("c")).toBeUndefined();
    expect(() => fileFolder("mine", [a, b, a])).toThrow("mine has two files called a");
  });
});

describe("the host of the worker", () => {
  const log = () => undefined;
  const openSandboxPort = () => Promise.reject(new Error("There is no page."));

  it("knows what the app ships, and first what was dropped", async () => {
    const host = createBrowserHost({ base, database: undefined, log, openSandboxPort, url: options });
    expect((await host.openModel("tiny")).name).toBe("tiny");
    expect(await host.openDataset("ahoy")).toMatchObject({ name: "ahoy.jsonl", size: 3 });
    host.addModel(memoryFolder("tiny", { "mine.json": new Uint8Array() }));
    host.addDataset("ahoy", memoryAsset("other.csv", new Uint8Array(9)));
    host.addAdapter(memoryFolder("ad", {}));
    expect(await (await host.openModel("tiny")).list()).toEqual(["mine.json"]);
    expect(await host.openDataset("ahoy")).toMatchObject({ size: 9 });
    expect((await host.openAdapter("ad")).name).toBe("ad");
  });

  it("reads a dropped folder of data by the names of its files", async () => {
    const host = createBrowserHost({ base, database: undefined, log, openSandboxPort, url: options });
    const files = ["train.jsonl", "test.csv"].map((name, i) => memoryAsset(name, new Uint8Array(i + 1)));
    host.addDataFolder("./mine", files);
    expect(await host.openDataset("./mine")).toMatchObject({ name: "train.jsonl", size: 1, local: true });
    const test = await host.openDataset("./mine", { subset: null, split: "test" });
    expect(test).toMatchObject({ name: "test.csv", size: 2, part: { splits: ["test", "train"] } });
  });

  it("says what is missing, and asks the server only for plain names", async () => {
    server.spa = true;
    const host = createBrowserHost({ base, database: undefined, log, openSandboxPort, url: options });
    await expect(host.openModel("none")).rejects.toMatchObject({
      code: "file-missing",
      details: { name: "none" },
    });
    await expect(host.openDataset("none")).rejects.toMatchObject({ code: "file-missing" });
    await expect(host.openAdapter("none")).rejects.toMatchObject({ code: "file-missing" });
    server.asked = [];
    await expect(host.openModel("../secret")).rejects.toMatchObject({ code: "file-missing" });
    await expect(host.openDataset("owner/name")).rejects.toMatchObject({ code: "file-missing" });
    expect(server.asked).toEqual([]);
  });

  it("asks the hub for names that are nowhere here, once each, when one was set", async () => {
    const hub = await startHub(await summaryRepositories());
    try {
      const host = createBrowserHost({ base, database: undefined, log, openSandboxPort, url: options });
      const part = { subset: "main", split: "train" };
      await expect(host.openModel("Qwen/Qwen3-0.6B")).rejects.toMatchObject({ code: "file-missing" });
      host.setHub(hub.url);
      host.addModel(memoryFolder("me/mine", {}));
      await host.openModel("me/mine");
      await host.openModel("tiny");
      await host.openDataset("ahoy");
      await expect(host.openModel("./mine")).rejects.toMatchObject({ code: "file-missing" });
      await expect(host.openDataset("rows.jsonl")).rejects.toMatchObject({ code: "file-missing" });
      expect(hub.seen).toEqual([]);

      const folder = await host.openModel("Qwen/Qwen3-0.6B");
      expect(folder.sizes?.get("model.safetensors")).toBe((await folder.open("model.safetensors"))?.size);
      expect((await host.openDataset("gsm8k", part)).part?.split).toBe("train");
      const asked = hub.seen.length;
      await (await host.openModel("Qwen/Qwen3-0.6B")).open("model.safetensors");
      await host.openDataset("gsm8k", part);
      host.setHub(hub.url);
      await host.openDataset("gsm8k", part);
      expect(hub.seen).toHaveLength(asked);
      // A failure is not remembered, and another address is asked anew.
      hub.fault = () => ({ status: 403 });
      await expect(host.openAdapter("me/adapter")).rejects.toMatchObject({ code: "access-denied" });
      hub.fault = undefined;
      await expect(host.openAdapter("me/adapter")).rejects.toThrow(/no such repository/);
      host.setHub(`${hub.url}/elsewhere`);
      await expect(host.openModel("Qwen/Qwen3-0.6B")).rejects.toMatchObject({ code: "access-denied" });
    } finally {
      await hub.close();
    }
  });

  it("keeps checkpoints in the database, or in memory without one", async () => {
    for (const database of [await openDatabase("browser-host"), undefined]) {
      const { checkpoints, now } = createBrowserHost({ base, database, log, openSandboxPort });
      const record = { name: "a", bytes: new Uint8Array([1]) };
      await checkpoints.save(
        "run",
        1,
        (async function* one() {
          yield await Promise.resolve(record);
        })(),
      );
      expect(await checkpoints.steps("run")).toEqual([1]);
      expect(await database?.count("manifests")).toBe(database && 1);
      expect(now()).toBeLessThanOrEqual(now());
      database?.close();
    }
  });
});
