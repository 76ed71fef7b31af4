import type { LogLine, MetricRow, RolloutAnswer, RolloutSet, SampleSet } from "../protocol/runs.ts";
import type { RolloutRecord } from "../rollout/record.ts";
import type { RunRecord } from "../storage/database.ts";
import { putRollouts, truncateRollouts } from "../storage/rollouts.ts";
import { appendRows, beat, endHeartbeat, readRows, truncateRows, updateRun } from "../storage/runs.ts";
import type { WorkerContext } from "./context.ts";

/** How often at most the page hears of metrics, in milliseconds. */
const BATCH_MS = 100;

/** What a journal needs of the worker: a clock, the page's ear, and where to write. */
interface JournalContext extends Pick<WorkerContext, "database" | "emit"> {
  readonly host: Pick<WorkerContext["host"], "now">;
}

/**
 * Everything a run says, on its way to the page and into the database: metrics in batches, samples, log lines, status. What
 * is written is what is shown, so that a reload shows the same run.
 */
export class RunJournal {
  readonly #context: JournalContext;
  readonly #run: string;
  #rows: MetricRow[] = [];
  #sent = 0;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(context: JournalContext, run: string) {
    this.#context = context;
    this.#run = run;
  }

  metrics(step: number, values: Readonly<Record<string, number>>): void {
    const nonFinite = Object.keys(values).filter((name) => !Number.isFinite(values[name]));
    const clean = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, Number.isFinite(value) ? value : null]),
    );
    this.#rows.push({ step, values: clean, nonFinite });
    if (this.#context.host.now() - this.#sent >= BATCH_MS) this.flush();
  }

  /** Sends and writes what is waiting. */
  flush(): void {
    if (this.#rows.length === 0) return;
    const rows = this.#rows;
    this.#rows = [];
    this.#sent = this.#context.host.now();
    this.#context.emit({ type: "metrics", runId: this.#run, rows });
    this.#append("metrics", rows);
  }

  samples(samples: SampleSet): void {
    this.#context.emit({ type: "samples", runId: this.#run, samples });
    this.#append("samples", [samples]);
  }

  /** The answers of one or more whole rollouts, after they were scored. The page gets them without their tokens. */
  rollout(records: readonly RolloutRecord[]): void {
    const run = this.#run;
    for (const set of rolloutSets(records)) this.#context.emit({ type: "rollouts", runId: run, set });
    const { database } = this.#context;
    if (!database) return;
    const numbers = [...new Set(records.map(({ rollout }) => rollout))];
    const stored = numbers.map((rollout) => {
      const own = records.filter((record) => record.rollout === rollout);
      return { run, step: own[0]?.step ?? 0, rollout, records: own };
    });
    this.#enqueue(() => putRollouts(database, stored));
  }

  log(level: LogLine["level"], text: string): void {
    const line: LogLine = { time: Date.now(), level, text };
    this.#context.emit({ type: "log", runId: this.#run, line });
    this.#append("logs", [line]);
  }

  record(change: Partial<Omit<RunRecord, "id" | "created">>): void {
    const { database } = this.#context;
    if (!database) return;
    this.#enqueue(() => updateRun(database, this.#run, { ...change, updated: Date.now() }));
  }

  heartbeat(step: number): void {
    const { database } = this.#context;
    if (database) this.#enqueue(() => beat(database, { run: this.#run, step, at: Date.now() }));
  }

  goodbye(): void {
    const { database } = this.#context;
    if (database) this.#enqueue(() => endHeartbeat(database, this.#run));
  }

  /** The metrics of a run up to a checkpoint. */
  async rowsUntil(step: number): Promise<readonly MetricRow[]> {
    const { database } = this.#context;
    if (!database) return [];
    const rows = (await readRows(database, "metrics", this.#run)) as readonly MetricRow[];
    return rows.filter((row) => row.step <= step);
  }

  /** Drops what came after a checkpoint, because it is trained again. */
  async rewind(step: number): Promise<void> {
    const { database } = this.#context;
    if (!database) return;
    const rows = (await readRows(database, "metrics", this.#run)) as readonly MetricRow[];
    const keep = rows.findIndex((row) => row.step > step);
    if (keep >= 0) await truncateRows(database, "metrics", this.#run, keep);
    const samples = (await readRows(database, "samples", this.#run)) as readonly SampleSet[];
    const keepSamples = samples.findIndex((sample) => sample.step > step);
    if (keepSamples >= 0) await truncateRows(database, "samples", this.#run, keepSamples);
    await truncateRollouts(database, this.#run, step);
  }

  /** Resolves when everything said so far is written. */
  async settled(): Promise<void> {
    this.flush();
    await this.#writing;
  }

  #append(journal: "metrics" | "samples" | "logs", rows: readonly unknown[]): void {
    const { database } = this.#context;
    if (database) this.#enqueue(() => appendRows(database, journal, this.#run, rows));
  }

  /** Writes one after the other. A failed write is told once, and never stops the training that it describes. */
  #enqueue(write: () => Promise<unknown>): void {
    this.#writing = this.#writing.then(write).catch((error: unknown) => {
      const text = `Could not be saved: ${error instanceof Error ? error.message : String(error)}`;
      this.#context.emit({ type: "log", runId: this.#run, line: { time: Date.now(), level: "error", text } });
    });
  }
}

/** Records as the page shows them, by the step that learns from them. */
export function rolloutSets(records: readonly RolloutRecord[]): readonly RolloutSet[] {
  const steps = [...new Set(records.map(({ step }) => step))];
  return steps.map((step) => ({
    step,
    answers: records.filter((record) => record.step === step).map(withoutTokens),
  }));
}

function withoutTokens(record: RolloutRecord): RolloutAnswer {
  const { prompt_ids: _prompt, completion_ids: _completion, ...answer } = record;
  return answer;
}
