import { exportYaml } from "../config/export_yaml.ts";
import { safeFileName } from "../formats/file_name.ts";
import { metricsCsv, metricsJsonl } from "../formats/metrics_export.ts";
import { AppError } from "../lib/errors.ts";
import type {
  CheckpointSummary,
  Download,
  LogLine,
  MetricRow,
  RolloutSet,
  RunDetails,
  RunStatus,
  RunSummary,
  SampleSet,
} from "../protocol/runs.ts";
import type { RolloutRecord } from "../rollout/record.ts";
import type { CheckpointManifest, Database, RunRecord } from "../storage/database.ts";
import { listCheckpoints } from "../storage/indexed_checkpoints.ts";
import { eachRollout, readRollout, rolloutSteps } from "../storage/rollouts.ts";
import { getRun, listRuns, readRows } from "../storage/runs.ts";
import { rolloutSets } from "./journal.ts";
import { headlineOf } from "./methods.ts";
import { ADAPTER_FILES } from "./run_adapters.ts";
import { configOfRun } from "./settings.ts";

/** Runs as they were saved: the list, one run's whole record, its downloads. */

const SPARK = 40;

/** Throws `file-missing` when there is no such run. */
export async function requireRun(database: Database, runId: string): Promise<RunRecord> {
  const run = await getRun(database, runId);
  if (run) return run;
  throw new AppError("file-missing", "This run is not stored here any more.", { details: { runId } });
}

/** What the page shows of a stored run. `live` is the status of the run that holds the device, if it is this one. */
export function statusOf(run: RunRecord, live: RunStatus | undefined): RunStatus {
  if (live) return live;
  switch (run.status) {
    case "running":
      return { state: "interrupted", step: run.step, reason: null };
    case "paused":
      return { state: "interrupted", step: run.step, reason: run.reason ?? null };
    case "finished":
      return { state: "done", step: run.step, stoppedEarly: false, reason: null };
    case "stopped":
      return { state: "done", step: run.step, stoppedEarly: true, reason: "stopped" };
    case "failed": {
      const { code, message } = run.error ?? { code: "internal", message: "The run failed." };
      const error = { code: code as "internal", message, details: {}, stack: "" };
      return { state: "failed", step: run.step, error };
    }
  }
}

export async function summarize(
  database: Database,
  run: RunRecord,
  before: RunRecord | undefined,
  live: RunStatus | undefined,
): Promise<RunSummary> {
  const metrics = (await readRows(database, "metrics", run.id)) as readonly MetricRow[];
  const headline = headlineOf(run.algorithm);
  const course = metrics.flatMap(({ values }) => {
    const value = values[headline];
    return typeof value === "number" ? [value] : [];
  });
  const last = course.at(-1);
  const stride = Math.max(1, Math.ceil(course.length / SPARK));
  const checkpoints = await listCheckpoints(database, run.id);
  const bytes = checkpoints.reduce((sum, checkpoint) => sum + checkpoint.bytes, 0);
  return {
    ...{ id: run.id, name: run.name, algorithm: run.algorithm, model: run.model, dataset: run.dataset },
    ...{ step: run.step, totalSteps: run.maxSteps, created: run.created, updated: run.updated, bytes },
    status: statusOf(run, live),
    adapterStep: checkpoints.findLast(holdsAdapter)?.step ?? null,
    hero: last === undefined ? null : { name: headline, value: last },
    spark: course.filter((_, i) => i % stride === 0),
    changes: before ? changesBetween(before.config, run.config) : [],
  };
}

const holdsAdapter = ({ records }: CheckpointManifest): boolean =>
  ADAPTER_FILES.every((file) => records.some(({ name }) => name === file));

/** What differs between two configurations, in short words such as "learning_rate 0.001 → 0.0001". */
function changesBetween(before: string, after: string): string[] {
  const read = (text: string) =>
    new Map(
      text.split("\n").flatMap((line) => {
        const match = /^(\w+): (.*)$/.exec(line);
        return match ? [[match[1] ?? "", match[2] ?? ""] as const] : [];
      }),
    );
  const [old, now] = [read(before), read(after)];
  return [...now]
    .filter(([key, value]) => key !== "run_name" && old.get(key) !== value)
    .map(([key, value]) => `${key} ${old.get(key) ?? "—"} → ${value}`);
}

export async function runList(
  database: Database,
  live: (runId: string) => RunStatus | undefined,
): Promise<readonly RunSummary[]> {
  const runs = await listRuns(database);
  const byAge = runs.toSorted((a, b) => a.created - b.created);
  return Promise.all(
    runs.map((run) => summarize(database, run, byAge[byAge.indexOf(run) - 1], live(run.id))),
  );
}

export async function checkpointList(
  database: Database,
  runId: string,
): Promise<readonly CheckpointSummary[]> {
  const { bestStep } = await requireRun(database, runId);
  const checkpoints = await listCheckpoints(database, runId);
  return checkpoints.map(({ step, bytes, saved }) => ({ step, bytes, saved, best: step === bestStep }));
}

export async function runDetails(
  database: Database,
  runId: string,
  live: RunStatus | undefined,
): Promise<RunDetails> {
  const run = await requireRun(database, runId);
  return {
    summary: await summarize(database, run, undefined, live),
    configYaml: run.config,
    metrics: (await readRows(database, "metrics", runId)) as readonly MetricRow[],
    samples: (await readRows(database, "samples", runId)) as readonly SampleSet[],
    log: (await readRows(database, "logs", runId)) as readonly LogLine[],
    checkpoints: await checkpointList(database, runId),
    memory: run.memory ?? null,
  };
}

export async function exportMetrics(
  database: Database,
  runId: string,
  format: "jsonl" | "csv",
): Promise<Download> {
  const run = await requireRun(database, runId);
  const rows = ((await readRows(database, "metrics", runId)) as readonly MetricRow[]).map(
    ({ step, values, nonFinite }) => ({
      step,
      ...values,
      ...(nonFinite.length > 0 && { non_finite: nonFinite.join(" ") }),
    }),
  );
  const text = format === "csv" ? metricsCsv(rows) : metricsJsonl(rows);
  return { fileName: safeFileName(run.name, "metrics", format), blob: new Blob([text]) };
}

/** The steps of a run that have a rollout, and the answers of one of them: the latest when `step` is null. */
export async function runRollouts(
  database: Database,
  runId: string,
  step: number | null,
): Promise<{ steps: readonly number[]; set: RolloutSet | null }> {
  await requireRun(database, runId);
  const steps = await rolloutSteps(database, runId);
  const wanted = step ?? steps.at(-1);
  if (wanted === undefined) return { steps, set: null };
  const records = (await readRollout(database, runId, wanted)) as readonly RolloutRecord[];
  return { steps, set: rolloutSets(records)[0] ?? null };
}

/** rollouts.jsonl: the records as they are, a line each. */
export async function exportRollouts(database: Database, runId: string): Promise<Download> {
  const run = await requireRun(database, runId);
  const parts: string[] = [];
  for await (const { records } of eachRollout(database, runId))
    parts.push(records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  return { fileName: safeFileName(run.name, "rollouts", "jsonl"), blob: new Blob(parts) };
}

export async function exportRunConfig(
  database: Database,
  runId: string,
  shape: "flat" | "nested",
): Promise<Download> {
  const run = await requireRun(database, runId);
  const text = shape === "flat" ? run.config : exportYaml({ ...configOfRun(run.config) }, { shape });
  return { fileName: safeFileName(run.name, "config", "yaml"), blob: new Blob([text]) };
}
