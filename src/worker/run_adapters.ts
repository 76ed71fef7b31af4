import type { CheckpointStore, Folder, Host } from "../host/host.ts";
import { memoryAsset } from "../host/memory.ts";
import { AppError } from "../lib/errors.ts";
import type { Database, RunRecord } from "../storage/database.ts";
import { pinCheckpoint } from "../storage/indexed_checkpoints.ts";
import { listRuns } from "../storage/runs.ts";

/** Adapters of earlier runs as a start: `run:ID@STEP`, or `run:ID` for the run's last checkpoint. */

const NAME = /^run:([^@]+)(?:@(\d+))?$/;
/** PEFT's two files, which every checkpoint of an adapter has beside its tensors. */
export const ADAPTER_FILES = ["adapter_config.json", "adapter_model.safetensors"] as const;

export interface RunAdapter {
  readonly runId: string;
  /** Null: the last one. */
  readonly step: number | null;
}

/** What a name says; undefined for the name of anything else than a run. */
export function parseRunAdapter(name: string | null): RunAdapter | undefined {
  const [, runId, step] = NAME.exec(name ?? "") ?? [];
  return runId === undefined ? undefined : { runId, step: step === undefined ? null : Number(step) };
}

const nameOf = (runId: string, step: number): string => `run:${runId}@${step}`;

export async function lastStep(checkpoints: CheckpointStore, runId: string): Promise<number> {
  const step = (await checkpoints.steps(runId)).at(-1);
  if (step !== undefined) return step;
  throw new AppError(
    "file-missing",
    "The run to start from is not stored here, or has kept no checkpoint. Choose another run, or a fresh adapter.",
    { details: { what: "adapter", name: `run:${runId}` } },
  );
}

/** The PEFT files of a checkpoint as a folder. Throws `file-missing` when that run trained no adapter or is gone. */
export async function openRunAdapter(
  checkpoints: CheckpointStore,
  { runId, step }: RunAdapter,
): Promise<Folder> {
  const at = step ?? (await lastStep(checkpoints, runId));
  const name = nameOf(runId, at);
  const load = async (file: string) => {
    if (!(ADAPTER_FILES as readonly string[]).includes(file)) return undefined;
    const bytes = await checkpoints.load(runId, at, file);
    return bytes && memoryAsset(file, bytes);
  };
  if (!(await load(ADAPTER_FILES[0]))) {
    throw new AppError("file-missing", `The checkpoint of step ${at} of that run holds no adapter.`, {
      details: { what: "adapter", name },
    });
  }
  return { name, list: async () => [...ADAPTER_FILES], open: load };
}

/** The same host, which also knows the adapters of earlier runs. */
export function withRunAdapters<H extends Host>(host: H): H {
  return {
    ...host,
    openAdapter: async (name) => {
      const adapter = parseRunAdapter(name);
      return adapter ? openRunAdapter(host.checkpoints, adapter) : host.openAdapter(name);
    },
  };
}

/**
 * The adapter's name with its step, which is pinned: what a run starts from must stay as it was, because the run's reference
 * is made of it again at each resume. Any other name is handed back.
 */
export async function settleRunAdapter(
  checkpoints: CheckpointStore,
  database: Database | undefined,
  name: string | null,
): Promise<string | null> {
  const adapter = parseRunAdapter(name);
  if (!adapter) return name;
  const { runId } = adapter;
  const step = adapter.step ?? (await lastStep(checkpoints, runId));
  if (database) await pinCheckpoint(database, runId, step, true);
  return nameOf(runId, step);
}

const STARTS_FROM = /^adapter_name_or_path: "?(run:[^"\s]+)"?$/m;

/** Runs that started from this one, or from one checkpoint of it. */
async function dependents(
  database: Database,
  runId: string,
  step: number | null,
): Promise<readonly RunRecord[]> {
  const runs = await listRuns(database);
  return runs.filter((run) => {
    const from = parseRunAdapter(STARTS_FROM.exec(run.config)?.[1] ?? null);
    return from?.runId === runId && run.id !== runId && (step === null || from.step === step);
  });
}

/** Throws `config-invalid` when another run needs what is about to be deleted. */
export async function refuseIfNeeded(database: Database, runId: string, step: number | null): Promise<void> {
  const [first, ...others] = await dependents(database, runId, step);
  if (!first) return;
  const names = [first, ...others].map(({ name }) => name).join(", ");
  throw new AppError(
    "config-invalid",
    `${names} started from ${step === null ? "this run" : `the checkpoint of step ${step}`} and cannot be opened without it. Delete ${others.length > 0 ? "those runs" : first.name} first.`,
    { details: { runs: [first, ...others].map(({ id }) => id) } },
  );
}
