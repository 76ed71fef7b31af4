import { ggufFile, mergedFiles, runTemplate, type SavedRun } from "../api/export_saved.ts";
import { readAdapter } from "../formats/adapter.ts";
import { exportZip } from "../formats/export_bundle.ts";
import { safeFileName } from "../formats/file_name.ts";
import { openModelFolder } from "../formats/model_folder.ts";
import { openStoredZip } from "../formats/stored_zip.ts";
import { verifyExport } from "../formats/verify_export.ts";
import { fileAsset } from "../host/file_asset.ts";
import type { Asset, Folder } from "../host/host.ts";
import { uploadFileOf, uploadToHub } from "../host/hub_upload.ts";
import { AppError } from "../lib/errors.ts";
import type { ExportPlan, ExportRequest, ExportResult, UploadRequest } from "../protocol/exports.ts";
import type { MetricRow } from "../protocol/runs.ts";
import { readRows } from "../storage/runs.ts";
import { type ClusterSource, clusterFiles } from "./cluster_export.ts";
import type { WorkerContext } from "./context.ts";
import { planExport } from "./export_plan.ts";
import { requireRun } from "./history.ts";
import { lastStep, openRunAdapter } from "./run_adapters.ts";
import type { Runs } from "./runs.ts";
import { configOfRun } from "./settings.ts";

/** What a page can be handed as a blob: beyond this browsers fail without a word. */
const BLOB_LIMIT = 2_000_000_000;
const PROGRESS_MS = 200;

/** One file to be handed out: a zip of several, or the one that there is. */
interface Packed {
  readonly fileName: string;
  readonly files: readonly Asset[];
  readonly bytes: number;
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What was written, as a folder again. */
  open(written: Asset): Promise<Folder>;
}

type Context = Pick<WorkerContext, "database" | "emit"> & {
  readonly host: ClusterSource["host"] & Pick<WorkerContext["host"], "checkpoints" | "now">;
};

/** Saves and uploads what runs have learned. Each run has at most one such task at a time. */
export class Exports {
  readonly #context: Context;
  readonly #runs: Pick<Runs, "session" | "open">;
  readonly #tasks = new Map<string, AbortController>();

  constructor(context: Context, runs: Pick<Runs, "session" | "open">) {
    this.#context = context;
    this.#runs = runs;
  }

  async plan(runId: string, step: number | null): Promise<ExportPlan> {
    const { source, step: at } = await this.#saved(runId, step);
    return planExport(source, at);
  }

  /** PEFT's zip, as a blob. */
  async adapter(runId: string, step: number | null): Promise<{ fileName: string; blob: Blob }> {
    const { fileName, blob } = await this.save({
      runId,
      step,
      kind: "adapter",
      dtype: "stored",
      target: null,
    });
    if (!blob) throw new Error("a saving without a target hands out a blob");
    return { fileName, blob };
  }

  async save({ runId, step, kind, dtype, target }: ExportRequest): Promise<ExportResult> {
    return this.#task(runId, async (signal) => {
      const packed = await this.#pack({ runId, step, kind, dtype });
      const { fileName, bytes } = packed;
      if (!target && bytes > BLOB_LIMIT) {
        throw new AppError(
          "storage-full",
          `${fileName} has ${bytes} bytes. This browser hands over downloads whole, at most ${BLOB_LIMIT} bytes. Use a browser that can write to a file (Chrome, Edge), or \`npm run aligntune -- export\`.`,
          { details: { bytes, limit: BLOB_LIMIT } },
        );
      }
      const counted = packed.stream.pipeThrough(this.#counter(runId, fileName, bytes), { signal });
      const blob = target ? null : await new Response(counted).blob();
      if (target) await writeTo(target, counted, signal);
      const written = target ? await target.getFile() : new File([blob ?? ""], fileName);
      await verifyExport(await packed.open(fileAsset(written)), packed.files);
      return { fileName: target?.name ?? fileName, bytes: written.size, blob };
    });
  }

  async upload({ runId, step, endpoint, ...request }: UploadRequest): Promise<{ url: string; repo: string }> {
    return this.#task(runId, async (signal) => {
      const session = await this.#runs.open(runId, step);
      const files = await session.exportAssets();
      return uploadToHub({
        ...{ ...request, endpoint, signal },
        files: await Promise.all(files.map(uploadFileOf)),
        onProgress: ({ file, state, done, total }) => {
          const what = file === null ? state : `${state} ${file}`;
          this.#context.emit({ type: "export", runId, progress: { what, done, total } });
        },
      });
    });
  }

  cancel(runId: string): void {
    this.#tasks.get(runId)?.abort();
  }

  async #task<T>(runId: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#tasks.has(runId))
      throw new AppError(
        "config-invalid",
        "This run is being saved or uploaded already. Wait for that, or cancel it.",
      );
    const controller = new AbortController();
    this.#tasks.set(runId, controller);
    try {
      return await work(controller.signal);
    } catch (cause) {
      if (!controller.signal.aborted || cause instanceof AppError) throw cause;
      throw new AppError("cancelled", "Saving was cancelled. Nothing was kept of it; the run is as it was.", {
        cause,
      });
    } finally {
      this.#tasks.delete(runId);
    }
  }

  /** Weights that trained come from the run's session; what is made of an adapter comes from its checkpoint. */
  async #pack({ runId, step, kind, dtype }: Omit<ExportRequest, "target">): Promise<Packed> {
    if (kind === "adapter" || kind === "model") {
      const session = await this.#runs.open(runId, step);
      const files = await session.exportAssets(dtype === "stored" ? undefined : dtype);
      const isAdapter = files.some(({ name }) => name === "adapter_model.safetensors");
      return zipOf(session.name, isAdapter ? "adapter" : "model", files);
    }
    const { source } = await this.#saved(runId, step);
    const { run, name } = source;
    if (kind === "cluster") {
      const trained = async () => (await this.#runs.open(runId, step)).exportAssets();
      return zipOf(name, "cluster", await clusterFiles(source, trained));
    }
    if (kind === "merged") return zipOf(name, "merged", await mergedFiles(run, { dtype }));
    const { adapter } = run;
    if (!adapter) throw new AppError("config-invalid", `${name} trained all weights, so it has no adapter.`);
    const file = await ggufFile({ ...run, adapter }, safeFileName(name, "lora", "gguf"));
    return single(file);
  }

  /** The run's base, adapter and records, from its configuration and a checkpoint. */
  async #saved(runId: string, step: number | null): Promise<{ source: ClusterSource; step: number }> {
    const { host, database } = this.#context;
    const at = step ?? (await lastStep(host.checkpoints, runId));
    const { name, config, configText, totalSteps } = await this.#record(runId);
    const folder = config.peft_enabled
      ? await openRunAdapter(host.checkpoints, { runId, step: at })
      : undefined;
    const model = await openModelFolder(await host.openModel(config.model_name, config.model_revision));
    const rows = database ? ((await readRows(database, "metrics", runId)) as readonly MetricRow[]) : [];
    const log = rows.filter((row) => row.step <= at).map((row) => ({ step: row.step, ...row.values }));
    const run: SavedRun = {
      ...{ model, configText, log, steps: at, place: "the browser", device: null },
      config: { ...config, run_name: name },
      adapter: folder ? await readAdapter(folder) : undefined,
      chatTemplate: await runTemplate(model, config),
    };
    return { source: { host, run, name, adapter: folder, totalSteps }, step: at };
  }

  async #record(runId: string) {
    const { session } = this.#runs;
    if (session?.runId === runId) {
      const { config, configText } = session.options;
      return { name: session.name, config, configText, totalSteps: session.totalSteps };
    }
    const { database } = this.#context;
    if (!database)
      throw new AppError("file-missing", "This browser keeps no runs, so there is nothing to save.");
    const run = await requireRun(database, runId);
    return {
      name: run.name,
      config: configOfRun(run.config),
      configText: run.config,
      totalSteps: run.maxSteps,
    };
  }

  #counter(runId: string, what: string, total: number) {
    let done = 0;
    let told = 0;
    const { host, emit } = this.#context;
    return new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform: (chunk, controller) => {
        done += chunk.length;
        controller.enqueue(chunk);
        if (host.now() - told < PROGRESS_MS) return;
        told = host.now();
        emit({
          type: "export",
          runId,
          progress: { what: `Writing ${what}`, done: Math.min(done, total), total },
        });
      },
    });
  }
}

function zipOf(
  name: string,
  kind: "adapter" | "model" | "merged" | "cluster",
  files: readonly Asset[],
): Packed {
  const { fileName, stream } = exportZip(name, kind, files);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  return { fileName, files, bytes, stream, open: openStoredZip };
}

function single(file: Asset): Packed {
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: async (controller) => {
      controller.enqueue(await file.read(0, file.size));
      controller.close();
    },
  });
  const open = async (written: Asset): Promise<Folder> => ({
    name: written.name,
    list: async () => [file.name],
    // A person may have given it another name.
    open: async (name) => (name === file.name ? written : undefined),
  });
  return { fileName: file.name, files: [file], bytes: file.size, stream, open };
}

/** Writes aside and puts the file in its place when all of it is there: the browser's own way. */
async function writeTo(
  target: FileSystemFileHandle,
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await stream.pipeTo(await target.createWritable(), { signal });
  } catch (cause) {
    if (signal.aborted || cause instanceof AppError) throw cause;
    const full = cause instanceof DOMException && cause.name === "QuotaExceededError";
    throw new AppError(
      full ? "storage-full" : "export-invalid",
      full
        ? `There is no room for ${target.name} where it was to go. Free some space or choose another place. Nothing is lost; the checkpoint is still here.`
        : `${target.name} was not saved: ${String(cause)}. Nothing is lost; the checkpoint is still here. Try again, or choose another place.`,
      { cause },
    );
  }
}
