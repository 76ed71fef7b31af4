import { mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CheckpointRecord, Host } from "../../src/host/host.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { nodeAsset, nodeFolder } from "../../src/host/node_files.ts";

let dir = "";
let host: Host;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "host-"));
  const hubCache = join(dir, "hub");
  host = createNodeHost({ publicDir: join(dir, "public"), runDir: (run) => join(dir, run), hubCache });
});
afterEach(() => rm(dir, { recursive: true }));

function bytes(...values: number[]) {
  return new Uint8Array(values);
}

async function* records(entries: Record<string, Uint8Array<ArrayBuffer>>): AsyncGenerator<CheckpointRecord> {
  for (const [name, content] of Object.entries(entries))
    yield await Promise.resolve({ name, bytes: content });
}

async function* failing(error: Error): AsyncGenerator<CheckpointRecord> {
  yield await Promise.resolve({ name: "a.bin", bytes: bytes(9, 9) });
  throw error;
}

describe("files", () => {
  it("are read by range", async () => {
    await writeFile(join(dir, "a.bin"), bytes(0, 1, 2, 3, 4));
    const asset = await nodeAsset(join(dir, "a.bin"));
    expect(asset).toMatchObject({ name: "a.bin", size: 5 });
    expect(await asset.read(1, 4)).toEqual(bytes(1, 2, 3));
    expect(await asset.read(5, 5)).toEqual(bytes());
  });

  it("refuse a range outside, and a file that shrank", async () => {
    await writeFile(join(dir, "a.bin"), bytes(0, 1, 2, 3, 4));
    const asset = await nodeAsset(join(dir, "a.bin"));
    await expect(asset.read(0, 6)).rejects.toMatchObject({ code: "file-invalid" });
    await expect(asset.read(3, 2)).rejects.toMatchObject({ code: "file-invalid" });
    await truncate(join(dir, "a.bin"), 3);
    await expect(asset.read(0, 5)).rejects.toThrow("came as 3 bytes");
  });

  it("of a folder are plain names", async () => {
    await mkdir(join(dir, "m", "sub"), { recursive: true });
    await writeFile(join(dir, "m", "config.json"), "{}");
    const folder = nodeFolder(join(dir, "m"), "m");
    expect(await folder.list()).toEqual(["config.json", "sub"]);
    expect(await folder.open("sub")).toBeUndefined();
    expect(await folder.open("none")).toBeUndefined();
    await expect(folder.open("../secret")).rejects.toThrow("plain file name");
  });
});

describe("names", () => {
  beforeEach(async () => {
    await mkdir(join(dir, "public/models/tiny"), { recursive: true });
    await mkdir(join(dir, "public/datasets"), { recursive: true });
    await mkdir(join(dir, "mine"));
    await writeFile(join(dir, "public/models/tiny/config.json"), '{"a":1}');
    await writeFile(join(dir, "public/datasets/ahoy.jsonl"), "{}\n");
  });

  it("resolve to what the app ships, and paths to themselves", async () => {
    expect(await (await host.openModel("tiny")).list()).toEqual(["config.json"]);
    expect((await host.openModel(join(dir, "mine"))).name).toBe(join(dir, "mine"));
    expect((await host.openAdapter(join(dir, "mine"))).name).toBe(join(dir, "mine"));
    expect((await host.openDataset("ahoy")).name).toBe("ahoy.jsonl");
    expect((await host.openDataset(join(dir, "public/datasets/ahoy.jsonl"))).size).toBe(3);
  });

  it("of the hub resolve to what was downloaded before", async () => {
    const repository = join(dir, "hub/models--Qwen--Qwen3-0.6B");
    for (const commit of ["abc", "def"]) {
      await mkdir(join(repository, "snapshots", commit), { recursive: true });
      await writeFile(join(repository, "snapshots", commit, commit), "");
    }
    await mkdir(join(repository, "refs"));
    await writeFile(join(repository, "refs/main"), "abc");
    expect(await (await host.openModel("Qwen/Qwen3-0.6B")).list()).toEqual(["abc"]);
    expect(await (await host.openAdapter("Qwen/Qwen3-0.6B@def")).list()).toEqual(["def"]);
    await expect(host.openModel("Qwen/Qwen3-4B")).rejects.toThrow(join(dir, "hub/models--Qwen--Qwen3-4B"));
  });

  it("that are not there say where they were looked for", async () => {
    const places = [join(process.cwd(), "huge"), join(dir, "public/models/huge")];
    await expect(host.openModel("huge")).rejects.toMatchObject({
      code: "file-missing",
      details: { looked: places },
    });
    await expect(host.openDataset("../ahoy")).rejects.toMatchObject({ code: "file-missing" });
    await expect(host.openDataset(join(dir, "mine"))).rejects.toThrow(/folder .*mine has no \.parquet/);
    await expect(host.openAdapter("ahoy")).rejects.toThrow('No adapter folder "ahoy"');
  });
});

describe("a folder of data files", () => {
  const write = (path: string, text = "{}\n") => writeFile(join(dir, "data", path), text);
  const open = (split: string) => host.openDataset(join(dir, "data"), { subset: null, split });
  beforeEach(() => mkdir(join(dir, "data/inner"), { recursive: true }));

  it("is split by the names of its files, whatever their kinds", async () => {
    await write("train.jsonl");
    await write("train-2.jsonl");
    await write("test.csv", "a\n1\n");
    await write("LICENSE.txt");
    expect(await open("test")).toMatchObject({ name: "test.csv", size: 4, local: true, more: [] });
    const train = await open("train");
    expect([train.name, ...(train.more ?? []).map(({ name }) => name)]).toEqual([
      "train-2.jsonl",
      "train.jsonl",
    ]);
    expect(train.part).toEqual({ subset: "default", split: "train", splits: ["test", "train"] });
    await expect(open("validation")).rejects.toThrow(/no split validation\. Set split to one of test, train/);
  });

  it("whose names say nothing are splits of their own; a single one is train", async () => {
    await write("poems.jsonl");
    expect((await open("train")).name).toBe("poems.jsonl");
    await write("songs.jsonl");
    expect((await open("songs")).name).toBe("songs.jsonl");
    await expect(open("train")).rejects.toThrow(/Set split to one of poems, songs/);
  });

  it("follows its README.md, as a clone of the hub's", async () => {
    await write("inner/a.jsonl");
    await write("b.jsonl");
    await write(
      "README.md",
      "---\nconfigs:\n- config_name: x\n  data_files:\n  - split: dev\n    path: inner/*\n---\n",
    );
    expect(await open("dev")).toMatchObject({
      name: "inner/a.jsonl",
      part: { subset: "x", splits: ["dev"] },
    });
  });
});

describe("checkpoints", () => {
  it("are listed in order, read back and removed", async () => {
    const { checkpoints } = host;
    expect(await checkpoints.steps("run")).toEqual([]);
    await checkpoints.save("run", 100, records({ "a.bin": bytes(1, 2), "b.json": bytes() }));
    await checkpoints.save("run", 20, records({ "a.bin": bytes(3) }));
    expect(await checkpoints.steps("run")).toEqual([20, 100]);
    expect(await checkpoints.load("run", 100, "a.bin")).toEqual(bytes(1, 2));
    expect(await checkpoints.load("run", 100, "b.json")).toEqual(bytes());
    expect(await checkpoints.load("run", 100, "c")).toBeUndefined();
    await checkpoints.remove("run", 100);
    expect(await checkpoints.steps("run")).toEqual([20]);
    expect(await readdir(join(dir, "run"))).toEqual(["checkpoint-20"]);
  });

  it("of the same step replace each other as a whole", async () => {
    await host.checkpoints.save("run", 5, records({ old: bytes(1), both: bytes(1) }));
    await host.checkpoints.save("run", 5, records({ both: bytes(2) }));
    expect(await host.checkpoints.load("run", 5, "both")).toEqual(bytes(2));
    expect(await host.checkpoints.load("run", 5, "old")).toBeUndefined();
    expect(await readdir(join(dir, "run"))).toEqual(["checkpoint-5"]);
  });

  it("leave nothing behind when writing fails, and say when the disk is full", async () => {
    await host.checkpoints.save("run", 5, records({ a: bytes(1) }));
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    await expect(host.checkpoints.save("run", 5, failing(full))).rejects.toMatchObject({
      code: "storage-full",
    });
    await expect(host.checkpoints.save("run", 6, failing(new Error("lost")))).rejects.toThrow("lost");
    expect(await readdir(join(dir, "run"))).toEqual(["checkpoint-5"]);
    expect(await host.checkpoints.load("run", 5, "a")).toEqual(bytes(1));
  });

  it("that a killed process left half-written are not listed and do not hinder", async () => {
    await host.checkpoints.save("run", 5, records({ a: bytes(1) }));
    await mkdir(join(dir, "run/.checkpoint-6.new"));
    await writeFile(join(dir, "run/.checkpoint-6.new/a"), "half");
    await mkdir(join(dir, "run/checkpoint-7"));
    await mkdir(join(dir, "run/.checkpoint-4.new"));
    expect(await host.checkpoints.steps("run")).toEqual([5]);
    await host.checkpoints.save("run", 6, records({ a: bytes(6) }));
    expect(await host.checkpoints.steps("run")).toEqual([5, 6]);
    expect(await readdir(join(dir, "run"))).toEqual(["checkpoint-5", "checkpoint-6", "checkpoint-7"]);
    expect(await host.checkpoints.load("run", 6, "a")).toEqual(bytes(6));
    await expect(host.checkpoints.load("run", 7, "a")).rejects.toMatchObject({ code: "checkpoint-invalid" });
  });

  it("survive a kill in the middle of a swap", async () => {
    await host.checkpoints.save("run", 5, records({ a: bytes(1) }));
    await rename(join(dir, "run/checkpoint-5"), join(dir, "run/.checkpoint-5.old"));
    expect(await host.checkpoints.steps("run")).toEqual([5]);
    expect(await host.checkpoints.load("run", 5, "a")).toEqual(bytes(1));
    await host.checkpoints.save("run", 6, records({ a: bytes(2) }));
    expect(await readdir(join(dir, "run"))).toEqual(["checkpoint-5", "checkpoint-6"]);
    await mkdir(join(dir, "run/.checkpoint-5.old"));
    await mkdir(join(dir, "run/backup"));
    await writeFile(join(dir, "run/backup/records.json"), "{}");
    expect(await host.checkpoints.steps("run")).toEqual([5, 6]);
    await host.checkpoints.remove("run", 5);
    expect(await readdir(join(dir, "run"))).toEqual(["backup", "checkpoint-6"]);
  });

  it("are whole for a reader while another is being written", async () => {
    await host.checkpoints.save("run", 5, records({ a: bytes(1) }));
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    async function* slow(): AsyncGenerator<CheckpointRecord> {
      yield { name: "a", bytes: bytes(2) };
      await held;
    }
    const saving = host.checkpoints.save("run", 5, slow());
    await expect.poll(() => readdir(join(dir, "run"))).toEqual([".checkpoint-5.new", "checkpoint-5"]);
    expect(await host.checkpoints.steps("run")).toEqual([5]);
    expect(await host.checkpoints.load("run", 5, "a")).toEqual(bytes(1));
    release();
    await saving;
    expect(await host.checkpoints.load("run", 5, "a")).toEqual(bytes(2));
  });

  it("are refused when a record was changed, cut or lost", async () => {
    await host.checkpoints.save("run", 5, records({ a: bytes(1, 2), b: bytes(3), c: bytes(4) }));
    const at = (name: string) => join(dir, "run/checkpoint-5", name);
    const flipped = await readFile(at("a"));
    flipped[0] = 7;
    await writeFile(at("a"), flipped);
    await truncate(at("b"), 0);
    await rm(at("c"));
    for (const name of ["a", "b", "c"]) {
      await expect(host.checkpoints.load("run", 5, name)).rejects.toMatchObject({
        code: "checkpoint-invalid",
        details: { record: name },
      });
    }
  });

  it("take only plain record names", async () => {
    for (const name of ["../x", "a/b", ".hidden", "records.json", ""]) {
      await expect(host.checkpoints.save("run", 5, records({ [name]: bytes() }))).rejects.toThrow(
        "record name",
      );
    }
  });
});
