import "fake-indexeddb/auto";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { adapterFiles } from "../../src/formats/adapter.ts";
import { readGguf } from "../../src/formats/gguf.ts";
import { openModelFolder } from "../../src/formats/model_folder.ts";
import { openStoredZip } from "../../src/formats/stored_zip.ts";
import { fileAsset } from "../../src/host/file_asset.ts";
import type { CheckpointRecord } from "../../src/host/host.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { nodeFolder } from "../../src/host/node_files.ts";
import { AppError } from "../../src/lib/errors.ts";
import { Random } from "../../src/lib/random.ts";
import { readModelSpec } from "../../src/model/registry.ts";
import { projectionsOf } from "../../src/model/spec.ts";
import type { ExportProgress } from "../../src/protocol/exports.ts";
import { type Database, openDatabase } from "../../src/storage/database.ts";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";
import { putRun } from "../../src/storage/runs.ts";
import { Exports } from "../../src/worker/exports.ts";

const BASE = nodeFolder("public/models/aligntune-tiny");
const CONFIG = "algorithm: sft\nmodel_name: aligntune-tiny\ndataset_name: ahoy\nmax_steps: 4\nlora_rank: 4\n";

let database: Database;
const checkpoints = memoryCheckpoints();
let told: ExportProgress[] = [];

/** A file that was picked: it holds what was written when the writing was closed, and nothing before. */
function picked(name: string, broken?: "full" | "changed") {
  let content = new Uint8Array();
  const handle = {
    name,
    createWritable: async () => {
      const parts: Uint8Array<ArrayBuffer>[] = [];
      return new WritableStream<Uint8Array<ArrayBuffer>>({
        write: (chunk) => {
          if (broken === "full") throw new DOMException("no room", "QuotaExceededError");
          parts.push(chunk.slice());
        },
        close: async () => {
          content = new Uint8Array(await new Blob(parts).arrayBuffer());
          if (broken === "changed") content[2_000] = 255 - (content[2_000] ?? 0);
        },
      });
    },
    getFile: async () => new File([content], name),
  };
  return handle as unknown as FileSystemFileHandle;
}

async function* records(
  files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>,
): AsyncGenerator<CheckpointRecord> {
  for (const [name, bytes] of Object.entries(files)) yield { name, bytes };
}

beforeAll(async () => {
  database = await openDatabase("exports");
  await putRun(database, {
    ...{
      id: "a",
      name: "Quiet Otter",
      algorithm: "sft",
      model: "aligntune-tiny",
      dataset: "ahoy",
      config: CONFIG,
    },
    ...{ status: "finished", step: 4, maxSteps: 4, created: 1, updated: 1 },
    ...{ heroMetric: null, bestStep: null, pinned: false, error: null },
  });
  const spec = readModelSpec((await openModelFolder(BASE)).config);
  const random = new Random(1, 2);
  const some = (length: number) => Float32Array.from({ length }, () => random.normal() / 8);
  const modules = projectionsOf(spec).map(({ module, inputs, outputs }) => ({
    ...{ path: module, inSize: inputs, outSize: outputs },
    ...{ a: some(4 * inputs), b: some(4 * outputs) },
  }));
  const config = { r: 4, loraAlpha: 8, loraDropout: 0, useRslora: false, fanInFanOut: false };
  const targetModules = [...new Set(modules.map(({ path }) => path.split(".").at(-1) ?? ""))];
  const about = { ...config, targetModules, baseModel: "aligntune-tiny", revision: null };
  await checkpoints.save("a", 4, records({ ...(await adapterFiles(about, modules)) }));
});

beforeEach(() => {
  told = [];
});

const NODE = createNodeHost({ publicDir: "public", runDir: () => "." });

const exports = (more: Partial<typeof NODE> = {}) =>
  new Exports(
    {
      host: { ...NODE, checkpoints, openModel: async () => BASE, now: () => performance.now(), ...more },
      database,
      emit: (event) => void (event.type === "export" && told.push(event.progress)),
    },
    {
      session: undefined,
      open: () => Promise.reject(new Error("no GPU is needed for this")),
    },
  );

const merged = { runId: "a", step: null, kind: "merged", dtype: "stored" } as const;

describe("saving a run", () => {
  it("is planned with the sizes that it then has, without a GPU", async () => {
    const plan = await exports().plan("a", null);
    expect(plan).toMatchObject({ step: 4, repository: "quiet-otter" });
    expect(plan.options.map(({ kind, possible }) => [kind, possible])).toEqual([
      ["adapter", true],
      ["merged", true],
      ["gguf", true],
      ["cluster", true],
    ]);
    for (const option of plan.options) {
      if (!option.possible || option.kind === "adapter" || option.kind === "cluster") continue;
      const target = picked(option.fileName);
      const saved = await exports().save({ ...merged, kind: option.kind, target });
      expect(saved).toMatchObject({ fileName: option.fileName, blob: null });
      const file = fileAsset(await target.getFile());
      const folder = option.kind === "merged" ? await openStoredZip(file) : undefined;
      const sizes = await Promise.all(
        option.files.map(async ({ name }) => (await folder?.open(name))?.size ?? file.size),
      );
      expect(sizes).toEqual(option.files.map(({ bytes }) => bytes));
      expect(option.snippet.text).toContain(
        option.kind === "merged" ? '"quiet-otter-merged"' : "--lora quiet-otter-lora.gguf",
      );
    }
  });

  it("writes a model to the file that was picked, and says how far it is", async () => {
    const target = picked("mine.zip");
    await exports().save({ ...merged, dtype: "BF16", target });
    const model = await openModelFolder(await openStoredZip(fileAsset(await target.getFile())));
    const base = await openModelFolder(BASE);
    expect([...model.tensors.keys()].sort()).toEqual([...base.tensors.keys()].sort());
    const key = "model.layers.2.self_attn.v_proj.weight";
    expect(model.tensors.get(key)?.dtype).toBe("BF16");
    expect(await model.tensors.get(key)?.floats()).not.toEqual(await base.tensors.get(key)?.floats());
    expect(told[0]).toMatchObject({ what: "Writing quiet-otter-merged.zip", total: expect.any(Number) });
  });

  it("hands out a file of llama.cpp where there is no file to write to", async () => {
    const { blob, fileName } = await exports().save({ ...merged, kind: "gguf", target: null });
    const { tensors } = await readGguf(fileAsset(new File([blob ?? ""], fileName)));
    expect(tensors).toHaveLength(2 * 28);
  });

  it("writes the rows, the script and the adapter for a cluster, as planned", async () => {
    const plan = await exports().plan("a", null);
    const option = plan.options.find(({ kind }) => kind === "cluster");
    if (!option?.possible) throw new Error("the rows are part of the app");
    const { blob, fileName } = await exports().save({ ...merged, kind: "cluster", target: null });
    const folder = await openStoredZip(fileAsset(new File([blob ?? ""], fileName)));
    expect(await folder.list()).toEqual(option.files.map(({ name }) => name).sort());
    for (const { name, bytes } of option.files) {
      const size = (await folder.open(name))?.size;
      if (bytes !== null) expect([name, size]).toEqual([name, bytes]);
    }
    const rows = await folder.open("data/train.jsonl");
    const lines = new TextDecoder().decode(await rows?.read(0, rows.size)).split("\n");
    expect(JSON.parse(lines[0] ?? "")).toHaveProperty("completion");
    expect(lines.length).toBeGreaterThan(400);
    expect(option.snippet.text).toContain("cd quiet-otter-cluster\n");
  });

  it("says why there is nothing for a cluster, and offers the rest", async () => {
    const cluster = async (host: Parameters<typeof exports>[0]) => {
      const { options } = await exports(host).plan("a", null);
      expect(options.filter(({ possible }) => possible)).toHaveLength(3);
      const option = options.find(({ kind }) => kind === "cluster");
      return option && !option.possible ? option.why : undefined;
    };
    const large = { name: "ahoy.jsonl", size: 2 ** 28, read: async () => new Uint8Array() };
    expect(await cluster({ openDataset: async () => large })).toContain("are streamed");
    const gone = new AppError(
      "file-missing",
      'No dataset "ahoy" is part of the app. Drop its files on the page.',
    );
    expect(await cluster({ openDataset: () => Promise.reject(gone) })).toContain("Drop its files");
  });

  it("says in words that the disk is full, or that what was read back is another, and that nothing is lost", async () => {
    const full = exports().save({ ...merged, target: picked("a.zip", "full") });
    await expect(full).rejects.toMatchObject({ code: "storage-full" });
    await expect(full).rejects.toThrow("Nothing is lost");
    const changed = exports().save({ ...merged, target: picked("a.zip", "changed") });
    await expect(changed).rejects.toMatchObject({ code: "export-invalid" });
    await expect(changed).rejects.toThrow("Nothing is lost");
  });

  it("can be cancelled, and then begun again", async () => {
    const some = exports();
    const going = some.save({ ...merged, target: picked("a.zip") });
    const second = some.save({ ...merged, target: picked("b.zip") });
    await expect(second).rejects.toThrow("already");
    some.cancel("a");
    await expect(going).rejects.toMatchObject({ code: "cancelled" });
    await expect(some.save({ ...merged, target: picked("a.zip") })).resolves.toMatchObject({ blob: null });
  });

  it("misses a run that is gone in words", async () => {
    await expect(exports().plan("gone", 4)).rejects.toMatchObject({ code: "file-missing" });
  });
});
