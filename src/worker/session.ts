import { type OpenTrainer, openTrainer } from "../api/open_trainer.ts";
import type { Sampler } from "../api/sampler.ts";
import type { RunConfig } from "../config/fields.ts";
import type { FloatDtype } from "../formats/dtype.ts";
import type { LogRow } from "../formats/trainer_state.ts";
import type { Asset } from "../host/host.ts";
import { AppError, refuseIfCancelled } from "../lib/errors.ts";
import { unlessCancelled } from "../lib/turns.ts";
import { toWire } from "../protocol/rpc.ts";
import type { MetricRow, RunMemory, RunProgress, RunStatus } from "../protocol/runs.ts";
import { listCheckpoints } from "../storage/indexed_checkpoints.ts";
import type { Outcome } from "../trainer/training_run.ts";
import type { WorkerContext } from "./context.ts";
import { fetchForRun } from "./downloads.ts";
import { RunJournal } from "./journal.ts";
import { Pace } from "./pace.ts";

/** How often at most progress and the heartbeat are told, in milliseconds. */
const PROGRESS_MS = 250;
const HEARTBEAT_MS = 5000;
/** How long what is cancelled has to bring what arrived to disk, in milliseconds. */
const PATIENCE = 2000;

export interface SessionOptions {
  readonly runId: string;
  readonly name: string;
  readonly config: RunConfig;
  readonly configText: string;
  readonly skipBadRows: boolean;
  /** Continue from this checkpoint. */
  readonly resumeStep: number | undefined;
  /** See FetchOptions. */
  readonly unkept: boolean;
  /** The device was lost under this run: it can be brought back from its last checkpoint. */
  readonly onLost: (session: Session) => void;
}

interface Going {
  request: "go" | "pause" | "stop";
}

/** The one run that holds the device: prepares, trains, answers requests at step borders, and tells the page. */
export class Session {
  readonly options: SessionOptions;
  readonly runId: string;
  readonly name: string;
  readonly #context: WorkerContext;
  readonly #journal: RunJournal;
  readonly #trainer: OpenTrainer;
  readonly #sampler: Sampler | undefined;
  readonly #onLost: (session: Session) => void;
  readonly #control: Going = { request: "go" };
  #running: Promise<void> | undefined;
  #state: RunStatus;
  #pace: Pace;
  #progressAt = 0;
  #heartbeatAt = 0;

  private constructor(
    context: WorkerContext,
    options: SessionOptions,
    journal: RunJournal,
    trainer: OpenTrainer,
  ) {
    this.options = options;
    this.runId = options.runId;
    this.name = options.name;
    this.#onLost = options.onLost;
    this.#context = context;
    this.#journal = journal;
    this.#trainer = trainer;
    this.#sampler = trainer.sampler;
    this.#pace = this.#newPace();
    this.#state = { state: "paused", step: trainer.step, saved: true, reason: null };
  }

  /**
   * Everything that can be refused is refused here, before the first step. The signal ends it with `cancelled`: at once while
   * files are fetched, later at the next piece of what is prepared.
   */
  static async prepare(
    context: WorkerContext,
    options: SessionOptions,
    signal: AbortSignal,
  ): Promise<Session> {
    const { runId, config, configText, skipBadRows, resumeStep, unkept } = options;
    const journal = new RunJournal(context, runId);
    // A run that begins again has nothing from before.
    const rows = await journal.rowsUntil(resumeStep ?? -1);
    let session: Session | undefined;
    const preparing = (what: "model" | "data" | "kernels", done: number, total: number) => {
      const unit = what === "model" ? "bytes" : what === "data" ? "rows" : "kernels";
      context.emit({ type: "status", runId, status: { state: "preparing", what, done, total, unit } });
    };
    const { host, downloads } = context;
    // Before the device is opened: a download may take longer than a device stays.
    const notes = await unlessCancelled(signal, PATIENCE, () =>
      downloads.watched(
        (done, total) => signal.aborted || preparing("model", done, total),
        () => fetchForRun(host, downloads, config, { unkept, signal }),
      ),
    );
    const trainer = await openTrainer({
      ...{
        host: context.host,
        run: runId,
        config,
        configText,
        skipBadRows,
        resumeStep,
        place: "the browser",
        samples: true,
      },
      earlierLog: rows.map(toLogRow),
      onPreparing: (what, done, total) => {
        refuseIfCancelled(signal);
        preparing(what, done, total);
      },
      events: {
        metrics: (step, values) => journal.metrics(step, { ...values, ...session?.rate() }),
        step: (step, tokens) => session?.onStep(step, tokens),
        checkpoint: (step, best) => session?.onCheckpoint(step, best),
        sample: async (step) => session?.sample(step),
        rollout: (records) => journal.rollout(records),
        note: (text) => journal.log("warn", text),
        saveFailed: (step, { message }) =>
          journal.log(
            "error",
            `Step ${step} could not be saved, and training goes on: ${message} Free some space, or download the adapter.`,
          ),
      },
    });
    if (signal.aborted) {
      trainer.close();
      trainer.gpu.close();
    }
    refuseIfCancelled(signal);
    // Only now: a run that could not go on, or was not to, keeps what it had.
    await journal.rewind(resumeStep ?? -1);
    session = new Session(context, options, journal, trainer);
    for (const note of notes) journal.log("warn", note);
    for (const note of trainer.notes) journal.log("info", note);
    return session;
  }

  get totalSteps(): number {
    return this.#trainer.totalSteps;
  }

  get step(): number {
    return this.#trainer.step;
  }

  get isBusy(): boolean {
    return this.#running !== undefined;
  }

  /** What was planned of the GPU's memory, and the most that was taken so far. */
  get memory(): RunMemory {
    const { gpu, memory } = this.#trainer;
    const { parts, total } = memory;
    return { plan: { parts, total }, peak: gpu.counts.peakBytes };
  }

  get status(): RunStatus {
    return this.#state;
  }

  /** Trains in the background until the end, a request, or `steps` more steps. */
  go(steps?: number): void {
    if (this.#running !== undefined) return;
    this.#control.request = "go";
    this.#running = this.#train(steps).finally(() => {
      this.#running = undefined;
    });
  }

  /** Asks for a pause or a stop, and resolves when the run stands still. */
  async halt(request: "pause" | "stop"): Promise<number> {
    this.#control.request = request;
    if (this.#running !== undefined) this.#tell({ state: "pausing", step: this.step });
    else if (request === "stop") this.#running = this.#train();
    await this.#running;
    this.#running = undefined;
    return this.step;
  }

  async #train(steps?: number): Promise<void> {
    this.#pace = this.#newPace();
    try {
      if (this.step === 0 && this.#sampler) await this.sample(0);
      this.#tell({ state: "running", step: this.step });
      this.#pace = this.#newPace();
      const outcome = await this.#trainer.train(this.#control, steps);
      await this.#ended(outcome);
    } catch (error) {
      const wire = toWire(error);
      if (wire.code === "device-lost") {
        // After a loss every other error is a consequence of it; the run comes back from its last checkpoint.
        this.#context.emit({ type: "device-lost", error: wire });
        this.#journal.log("warn", `${wire.message} Going back to the last checkpoint.`);
        await this.#journal.settled();
        return this.#onLost(this);
      }
      this.fail(error);
      await this.#journal.settled();
    }
  }

  /** The end of a run that cannot go on; what it saved stays. */
  fail(error: unknown): void {
    const wire = toWire(error);
    this.#tell({ state: "failed", step: this.step, error: wire });
    this.#journal.log("error", wire.message);
    this.#journal.record({
      status: "failed",
      step: this.step,
      memory: this.memory,
      error: { code: wire.code, message: wire.message },
    });
    this.#journal.goodbye();
  }

  /** The end of a preparation that was to bring the run back: it stands where it last saved. */
  leave(): void {
    this.#tell({ state: "interrupted", step: this.step, reason: null });
    this.#journal.record({ status: "paused", step: this.step, reason: null });
    this.#journal.goodbye();
  }

  /** A line in the run's log. */
  note(text: string): void {
    this.#journal.log("info", text);
  }

  /** Lets go of a device that is lost. */
  abandon(): void {
    this.#trainer.gpu.close();
  }

  async #ended(outcome: Outcome): Promise<void> {
    this.#journal.flush();
    this.#progress();
    if (outcome.state === "paused") {
      this.#tell({
        state: "paused",
        step: outcome.step,
        saved: outcome.reason === null,
        reason: outcome.reason,
      });
      if (outcome.reason !== null)
        this.#journal.log("warn", `Paused at step ${outcome.step}. ${outcome.reason}`);
      this.#journal.record({ status: "paused", step: outcome.step, reason: outcome.reason });
    } else {
      if (this.#sampler) await this.sample(outcome.step);
      const { step, stoppedEarly, reason } = outcome;
      this.#tell({ state: "done", step, stoppedEarly, reason });
      this.#journal.record({ status: stoppedEarly ? "stopped" : "finished", step });
    }
    this.#journal.record({ memory: this.memory });
    this.#journal.goodbye();
    await this.#journal.settled();
  }

  onStep(step: number, tokens: number): void {
    this.#pace.add(tokens);
    const now = this.#context.host.now();
    if (now - this.#progressAt >= PROGRESS_MS) {
      this.#progressAt = now;
      this.#progress();
    }
    if (now - this.#heartbeatAt < HEARTBEAT_MS) return;
    this.#heartbeatAt = now;
    this.#journal.heartbeat(step);
    this.#journal.record({ step, status: "running", memory: this.memory });
  }

  onCheckpoint(step: number, bestStep: number | null): void {
    this.#journal.record({ step, bestStep, memory: this.memory });
    this.#journal.log("info", `Checkpoint of step ${step} saved.`);
    this.#journal.flush();
    void this.#tellCheckpoint(step, bestStep);
  }

  /** With its size, which the store knows. */
  async #tellCheckpoint(step: number, bestStep: number | null): Promise<void> {
    const { database } = this.#context;
    const stored = database ? await listCheckpoints(database, this.runId) : [];
    const { bytes = 0, saved = Date.now() } = stored.find((entry) => entry.step === step) ?? {};
    const checkpoint = { step, bytes, saved, best: step === bestStep };
    this.#context.emit({ type: "checkpoint", runId: this.runId, checkpoint });
  }

  async sample(step: number): Promise<void> {
    const samples = await this.#sampler?.sample();
    if (samples) this.#journal.samples({ step, samples });
  }

  rate(): { tokens_per_second: number } | undefined {
    return this.#pace.rate();
  }

  #newPace(): Pace {
    return new Pace(() => this.#context.host.now(), this.step);
  }

  #progress(): void {
    const progress: RunProgress = {
      step: this.step,
      totalSteps: this.totalSteps,
      epoch: this.#trainer.epoch,
      ...this.#pace.at(this.step, this.totalSteps),
      gpuPeakBytes: this.#trainer.gpu.counts.peakBytes,
    };
    this.#context.emit({ type: "progress", runId: this.runId, progress });
  }

  #tell(status: RunStatus): void {
    this.#state = status;
    this.#context.emit({ type: "status", runId: this.runId, status });
  }

  /** The files of what the run has learned so far; full fine-tuning's weights as `dtype`. */
  async exportAssets(dtype?: FloatDtype): Promise<readonly Asset[]> {
    if (this.isBusy)
      throw new AppError(
        "config-invalid",
        "The run is going. Pause it to download what it has learned so far.",
      );
    return this.#trainer.exportAssets(dtype);
  }

  get trainer(): OpenTrainer {
    return this.#trainer;
  }

  async close(): Promise<void> {
    if (this.isBusy) await this.halt("pause");
    await this.#journal.settled();
    this.#trainer.close();
    this.#trainer.gpu.close();
  }
}

function toLogRow({ step, values }: MetricRow): LogRow {
  return { step, ...values };
}
