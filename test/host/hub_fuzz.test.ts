import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { globOf } from "../../src/host/glob.ts";
import { createHub } from "../../src/host/hub.ts";
import { chooseFiles, datasetLayout } from "../../src/host/hub_dataset.ts";
import type { Repository } from "../../src/host/hub_store.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { nodeHubStore } from "../../src/host/node_hub_cache.ts";
import { AppError } from "../../src/lib/errors.ts";
import { Random } from "../../src/lib/random.ts";

/** What hubs answer, and what lies in repositories, is written by strangers. */

const README = `---
license: mit
configs:
- config_name: main
  default: true
  data_files: &files
  - split: train
    path: main/train-*
  - {split: test, path: ["main/test-*", "**/test.parquet"]}
- config_name: socratic
  data_dir: socratic
  data_files: *files
---
# Data
`;
const ODD: readonly unknown[] = [
  ...[null, true, 0, -1, 0.5, 1e308, "", "main", "__proto__", [], {}, [[]], [null], { a: null }],
  ...["../../outside", "/etc/hostname", "a/../../b", "a\\..\\b", "a\u0000b", "x".repeat(5000), "a/", "./a"],
  { toString: 1, length: -1 },
];
const sha = "0123456789abcdef0123456789abcdef01234567";
const listing = {
  ...{ id: "me/thing", sha, gated: false, private: false, tags: ["license:mit"] },
  ...{ cardData: { license: ["mit"] }, safetensors: { total: 12 } },
  siblings: [
    { rfilename: "README.md", size: README.length },
    { rfilename: "config.json", size: 2, blobId: "9e26dfeeb6e641a33dae4961196235bdb965b21b" },
    { rfilename: "model.safetensors", size: 9, lfs: { sha256: "0".repeat(64), size: 9 } },
    { rfilename: "main/train-0.parquet", size: 9, blobId: sha },
    { rfilename: "main/test-0.parquet", size: 9, blobId: sha },
    { rfilename: "socratic/train/0000.parquet", size: 9, blobId: sha },
  ],
};

const pick = <T>(random: Random, from: readonly T[]): T => from[random.integer(from.length)] as T;

/** The same value with one place of it replaced, dropped or doubled. */
function changed(random: Random, value: unknown): unknown {
  if (typeof value !== "object" || value === null || random.integer(6) === 0) return pick(random, ODD);
  const copy: Record<string, unknown> = { ...(value as Record<string, unknown>) };
  const key = pick(random, Object.keys(copy));
  if (key === undefined) return pick(random, ODD);
  if (random.integer(8) === 0) delete copy[key];
  else copy[key] = changed(random, copy[key]);
  return Array.isArray(value) ? Object.values(copy) : copy;
}

/** The same text with a part cut, repeated, or replaced by signs that mean something to its readers. */
function garbled(random: Random, text: string): string {
  const start = random.integer(text.length);
  const end = Math.min(text.length, start + random.integer(24));
  const part = text.slice(start, end);
  const signs = [
    "",
    part + part,
    "\n",
    "- ",
    "&a ",
    "*a",
    "{",
    "]",
    ": ",
    "\t",
    "!!binary ",
    "\u0000",
    "**/",
  ];
  return text.slice(0, start) + pick(random, signs) + text.slice(end);
}

async function mayBeRefused(work: Promise<unknown>, seed: unknown): Promise<void> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (error !== undefined) expect(error, String(seed)).toBeInstanceOf(AppError);
}

let outer = "";
beforeAll(async () => {
  outer = await mkdtemp(join(tmpdir(), "fuzz-"));
  await mkdir(join(outer, "cache"));
});
afterAll(() => rm(outer, { recursive: true }));
const fetched = globalThis.fetch;
afterEach(() => {
  globalThis.fetch = fetched;
});

describe("a listing of a hub", () => {
  it("gives what it says or an error in words, whatever is in it, and nothing outside of the cache", async () => {
    const random = new Random(5);
    for (let seed = 0; seed < 150; seed++) {
      const text = JSON.stringify(listing);
      let answer = seed % 3 === 0 ? garbled(random, text) : JSON.stringify(changed(random, listing));
      for (let more = random.integer(3); more > 0; more--) answer = garbled(random, answer);
      let asked = 0;
      globalThis.fetch = async () => new Response(asked++ === 0 ? answer : README);
      const cache = join(outer, "cache");
      const hub = createHub({ endpoint: "https://hub.test", retryDelays: [] }, nodeHubStore(cache));
      await mayBeRefused(readAll(hub, `me/thing${seed}`), answer);
    }
    expect(await readdir(outer)).toEqual(["cache"]);
    const repositories = await readdir(join(outer, "cache"));
    expect(repositories.length).toBeGreaterThan(20);
    for (const name of repositories) {
      expect(name).toMatch(/^(models|datasets)--[\w-][\w.-]*(--[\w-][\w.-]*)?$/);
      for (const folder of await readdir(join(outer, "cache", name)))
        expect([".listings", "refs", "snapshots", "blobs"]).toContain(folder);
    }
  });

  it("with names that lead out of the cache is kept nowhere", async () => {
    await writeFile(join(outer, "secret"), "s");
    const store = nodeHubStore(join(outer, "cache"));
    const plain: Repository = {
      ...{ key: "k", endpoint: "https://hub.test", kind: "models", id: "me/x", commit: sha, files: [] },
      ...{ licence: null, gated: false, private: false, parameters: null },
    };
    const asked = { endpoint: plain.endpoint, kind: "models", id: "me/x", revision: null } as const;
    const file = { path: "a", size: 1, hash: { kind: "git", hex: sha } } as const;
    for (const bad of [
      "../../../secret",
      "..",
      "/etc/hostname",
      "a/../../../../b",
      "a\u0000b",
      "..\\..\\b",
    ]) {
      await store.keep({ ...plain, commit: bad }, asked);
      await store.keep({ ...plain, id: bad }, asked);
      await store.keep(plain, { ...asked, revision: bad });
      await store.keep(plain, { ...asked, id: bad });
      expect(await store.find({ ...asked, revision: bad })).toBeUndefined();
      expect(await store.find({ ...asked, id: bad })).toBeUndefined();
      expect(await store.open({ ...plain, commit: bad }, file)).toBeUndefined();
      expect(await store.open({ ...plain, id: bad }, file)).toBeUndefined();
      expect(await store.open(plain, { ...file, path: bad })).toBeUndefined();
      await mayBeRefused(openedWith(bad), bad);
    }
    expect((await readdir(outer)).sort()).toEqual(["cache", "secret"]);
    expect(await readFile(join(outer, "secret"), "utf8")).toBe("s");
    await rm(join(outer, "secret"));
  });
});

/** A model of a configuration that a stranger wrote, and a reference of the cache that somebody spoilt. */
async function openedWith(bad: string): Promise<void> {
  const cache = join(outer, "cache");
  await mkdir(join(cache, "models--me--spoilt/refs"), { recursive: true });
  await writeFile(join(cache, "models--me--spoilt/refs/main"), bad);
  const host = createNodeHost({ publicDir: outer, runDir: () => outer, hubCache: cache });
  await expect(host.openModel("me/spoilt")).rejects.toMatchObject({ code: "file-missing" });
  await host.openModel("me/x", bad);
}

async function readAll(hub: ReturnType<typeof createHub>, name: string): Promise<void> {
  const model = await hub.openModel(name);
  for (const file of await model.list()) {
    const asset = await model.open(file);
    await mayBeRefused(Promise.resolve(asset?.read(0, Math.min(1, asset.size))), file);
  }
  await hub.openDataset(name, { subset: null, split: "train" });
}

describe("the front matter of a dataset", () => {
  const paths = listing.siblings.map(({ rfilename }) => rfilename);
  const layoutOf = async (readme: string) => {
    const layout = await datasetLayout("me/x", {
      ...{ paths, readReadme: async () => readme, readConverted: async () => undefined },
    });
    for (const split of ["train", "test"]) {
      for (const path of chooseFiles("me/x", { subset: null, split }, layout).paths)
        expect(paths).toContain(path);
    }
  };

  it("names files that there are or is refused in words, whatever is in it", async () => {
    const random = new Random(6);
    for (let seed = 0; seed < 250; seed++) {
      let readme = garbled(random, README);
      for (let more = random.integer(4); more > 0; more--) readme = garbled(random, readme);
      await mayBeRefused(layoutOf(readme), readme);
    }
  });

  it.each([
    ["aliases that grow", `a0: &a0 [x, x, x]\n${grown(40)}\nconfigs: *a39`],
    ["an alias of itself", "configs: &c\n- config_name: main\n  data_files: *c"],
    ["a key that is itself", "configs: &c [*c]"],
    ["nesting without end", `configs: ${"[".repeat(20_000)}`],
    ["nesting that ends", `configs: ${"[".repeat(5000)}${"]".repeat(5000)}`],
    [
      "values that are no text",
      "configs: [{data_files: [{path: {toString: 1}, split: {a: 1}}, [[x]], null]}]",
    ],
    ["a pattern that goes back", `configs: [{data_files: "${"**/*a".repeat(100)}!"}]`],
    ["braces that multiply", `configs: [{data_files: "${"{a,b,c}".repeat(40)}"}]`],
    ["braces in braces", `configs: [{data_files: "${"{a,".repeat(300)}"}]`],
  ])("with %s comes to an end", async (_, front) => {
    // What it declares is nothing, so the names of the files say where the rows are.
    await mayBeRefused(layoutOf(`---\n${front}\n---\n`), front);
  });
});

const grown = (count: number): string =>
  Array.from({ length: count - 1 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(9)}]`).join("\n");

describe("a pattern for paths", () => {
  it.each([
    ["main/train-*", ["main/train-0.parquet"], ["main/train/0", "main/train"]],
    ["**/train.csv", ["train.csv", "a/train.csv", "a/b/train.csv"], ["atrain.csv", "a/train.csvx"]],
    ["data/**", ["data/a", "data/a/b"], ["data", "b/data/a"]],
    ["{a,b/{c,d}}.txt", ["a.txt", "b/c.txt", "b/d.txt"], ["b.txt", "a,b.txt"]],
    ["[a-c]?[!0-9].md", ["bxy.md"], ["dxy.md", "bx1.md", "b/y.md"]],
    ["./a,b+(1).csv", ["a,b+(1).csv"], ["a.csv", "aab1.csv"]],
    ["a{b", ["a{b"], ["ab"]],
    ["*/*", ["a/b"], ["a", "a/b/c"]],
  ])("%s", (pattern, named, others) => {
    const matches = globOf(pattern);
    for (const path of named) expect(matches(path), path).toBe(true);
    for (const path of others) expect(matches(path), path).toBe(false);
  });
});
