import type { CommonConfig } from "../config/fields.ts";
import type { CheckpointRecord, CheckpointStore } from "../host/host.ts";
import { AppError, type ErrorCode } from "../lib/errors.ts";
import { numbersFromText, numbersToText } from "../lib/number_text.ts";
import { pruneCheckpoints } from "../storage/checkpoints.ts";
import { afterEvaluation, type BestState, NO_BEST } from "./best_checkpoint.ts";
import { restoreParams, restoreRun, saveRun } from "./checkpointing.ts";
import type { Engine } from "./engine.ts";
import type { DoneStep, Method, MethodEvents } from "./method.ts";
import type { StepRecord } from "./metrics.ts";
import type { StepReport } from "./report.ts";
import { learningRateShare, type ScheduleOptions, warmupSteps } from "./schedule.ts";

/** What a run tells while it goes. Every call is made in the order of the steps. */
export interface RunEvents extends MethodEvents {
  /** One line of the log. Values may be non-finite; nothing is filtered. */
  metrics(step: number, values: Readonly<Record<string, number>>): void;
  /** After each optimizer step was handed to the GPU. */
  step(step: number, tokens: number): void;
  /** A checkpoint is complete; `best` is the step of the best one so far, if any was evaluated. */
  checkpoint(step: number, best: number | null): void;
  /** At the steps of sample_every, with everything before it done on the GPU. */
  sample(step: number): Promise<void>;
  /** A checkpoint found no room. With this the run goes on, and its result is still in memory; without it the run ends. */
  saveFailed?(step: number, error: AppError): void;
}

/** Asked at every step border. */
export interface RunControl {
  readonly request: "go" | "pause" | "stop";
}

export type Outcome =
  | {
      readonly state: "done";
      readonly step: number;
      readonly stoppedEarly: boolean;
      readonly reason: string | null;
    }
  | { readonly state: "paused"; readonly step: number; readonly reason: string | null };

/** What a checkpoint holds of the loop itself. */
interface LoopState {
  /** Whether the data starts anew after the last step. */
  readonly epochEnded: boolean;
  readonly numTokens: number;
  readonly best: BestState;
  /** Steps of the last ten whose loss or gradient was not finite. */
  readonly nonFinite: readonly number[];
}

export interface RunParts {
  readonly run: string;
  readonly engine: Engine;
  /** What the engine was made for: kept in checkpoints, because `auto` chooses once. */
  readonly backend: "trl" | "unsloth";
  readonly config: CommonConfig;
  /** training_config.yaml, resolved: kept in every checkpoint. */
  readonly configText: string;
  readonly method: Method;
  readonly checkpoints: CheckpointStore;
  readonly events: RunEvents;
  /** Files to keep beside a checkpoint for other tools: the PEFT files, trainer_state.json. */
  readonly exportFiles?: (step: number) => Promise<readonly CheckpointRecord[]>;
}

interface SavedPlace {
  readonly epoch: number;
  /** The algorithm's own; see Method.state. */
  readonly method: unknown;
}

interface Reading {
  readonly record: Omit<StepRecord, "report" | "values">;
  readonly read: Promise<[StepReport, StepRecord["values"]]>;
}

/** Non-finite steps among the last ten that pause a run. */
const NON_FINITE_LIMIT = 3;

/**
 * The loop of every algorithm: its next step, report, evaluate, save. What a step is stands in the algorithm's own file.
 * Reports are read one step late, so that the GPU never waits for the host.
 */
export class TrainingRun {
  readonly totalSteps: number;
  readonly #parts: RunParts;
  readonly #schedule: ScheduleOptions;
  #step = 0;
  #loop: LoopState = { epochEnded: false, numTokens: 0, best: NO_BEST, nonFinite: [] };
  #epoch = 0;
  /** Reports that are being read: of the last step, and of the one before it. */
  #pending: Reading | undefined;
  #previous: Reading | undefined;
  #window: StepRecord[] = [];
  #saved = -1;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.totalSteps = parts.method.totalSteps;
    this.#schedule = scheduleOf(parts.config, this.totalSteps);
  }

  get step(): number {
    return this.#step;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get best(): BestState {
    return this.#loop.best;
  }

  get numTokens(): number {
    return this.#loop.numTokens;
  }

  /** Continues from a checkpoint to the same bits as if the run had never stopped. Throws `checkpoint-invalid`. */
  async restore(step: number): Promise<void> {
    const { checkpoints, run, engine, method } = this.#parts;
    // Reports of steps that are being left behind must not enter the log of those that come.
    this.#previous = undefined;
    this.#pending = undefined;
    const state = await restoreRun(checkpoints, run, step, engine);
    const { method: place, epoch, ...loop } = state.data as LoopState & SavedPlace;
    this.#loop = loop;
    this.#epoch = epoch;
    method.restore(place);
    this.#step = state.step;
    this.#saved = state.step;
    this.#window = numbersFromText((state.metrics as { readonly window: string }).window) as StepRecord[];
  }

  /** Trains until the end, a request, or `steps` more optimizer steps. */
  async train(control: RunControl, steps = Number.POSITIVE_INFINITY): Promise<Outcome> {
    const until = Math.min(this.totalSteps, this.#step + steps);
    if (this.#step === 0 && this.#evaluates) await this.#evaluateStart();
    while (this.#step < until && control.request === "go") {
      const done = await this.#doStep();
      const outcome = "blocked" in done ? await this.#block(done.blocked) : await this.#afterStep(done.pause);
      if (outcome) return outcome;
    }
    const reason = await this.#settle(true);
    if (reason) return { state: "paused", step: this.#step, reason };
    if (this.#step >= this.totalSteps) return this.#finish(false, null);
    if (control.request === "stop") return this.#finish(true, "stopped by you");
    await this.#save();
    return { state: "paused", step: this.#step, reason: null };
  }

  /** What is due at a step border: the report of the step before, samples, evaluation, a checkpoint. */
  async #afterStep(pause: string | undefined): Promise<Outcome | undefined> {
    const { events, config } = this.#parts;
    const step = this.#step;
    let reason = await this.#settle(this.#isBorder());
    // The last step is already on the GPU: its line belongs to the log too.
    if (reason) reason = (await this.#settle(true)) ?? reason;
    if (reason) return { state: "paused", step, reason };
    if (this.#samplesAt(step)) await events.sample(step);
    if (this.#evaluatesAt(step) && (await this.#evaluate())) {
      return this.#finish(
        true,
        `${config.metric_for_best_model} did not improve in ${config.early_stopping_patience} evaluations`,
      );
    }
    // A step that was skipped leaves nothing new to keep, and numbers that may be broken.
    if (this.#savesAt(step) && !this.#loop.nonFinite.includes(step)) await this.#save();
    if (pause === undefined) return undefined;
    reason = (await this.#settle(true)) ?? pause;
    await this.#save();
    return { state: "paused", step, reason };
  }

  /** The rows of the next step cannot be had: what was learned so far is kept, and the run can go on from here. */
  async #block(reason: string): Promise<Outcome> {
    const other = await this.#settle(true);
    await this.#save();
    return { state: "paused", step: this.#step, reason: other ?? reason };
  }

  /** One optimizer step of the algorithm: why it asks for a pause, if it does; or why there was none. */
  async #doStep(): Promise<{ readonly pause: string | undefined } | { readonly blocked: string }> {
    const { config, method, events } = this.#parts;
    const step = this.#step;
    const learningRate = config.learning_rate * learningRateShare(this.#schedule, step);
    let done: DoneStep;
    try {
      done = await method.step({ step, learningRate });
    } catch (error) {
      // Before the first step nothing would be lost, and a refusal is shown better than a pause.
      if (step === 0 || !isOfRows(error)) throw error;
      return { blocked: error.message };
    }
    for (const note of done.notes ?? []) events.note(note);
    const numTokens = this.#loop.numTokens + done.tokens;
    this.#previous = this.#pending;
    const { epoch } = done;
    const record = { step: step + 1, learningRate, epoch, numTokens };
    const read = Promise.all([done.report.read(), done.values]);
    read.catch(() => {}); // awaited a step later; what fails in between must not go unhandled
    this.#pending = { record, read };
    this.#loop = { ...this.#loop, epochEnded: done.endsEpoch, numTokens };
    this.#step = step + 1;
    this.#epoch = epoch;
    events.step(this.#step, done.tokens);
    return { pause: done.pause };
  }

  /** Takes in the reports that are due: the step before, and at a border also the last. Returns why the run must pause. */
  async #settle(all: boolean): Promise<string | undefined> {
    const due = [this.#previous, all ? this.#pending : undefined];
    this.#previous = undefined;
    if (all) this.#pending = undefined;
    let reason: string | undefined;
    for (const entry of due) {
      if (!entry) continue;
      const [report, values] = await entry.read;
      reason = this.#take({ ...entry.record, report, values }) ?? reason;
    }
    return reason;
  }

  #take(record: StepRecord): string | undefined {
    const { config, events, method } = this.#parts;
    this.#window.push(record);
    if (record.step % config.logging_steps === 0 || record.step === this.totalSteps) {
      events.metrics(record.step, method.logValues(this.#window));
      this.#window = [];
    }
    const recent = this.#loop.nonFinite.filter((step) => step > record.step - 10);
    const nonFinite = record.report.finite ? recent : [...recent, record.step];
    this.#loop = { ...this.#loop, nonFinite };
    if (record.report.finite) return undefined;
    events.note(`Step ${record.step}: loss or gradient is not a number; the update was skipped.`);
    if (nonFinite.length < NON_FINITE_LIMIT) return undefined;
    return `The loss or its gradient was not a number in ${nonFinite.length} of the last ten steps (${nonFinite.join(", ")}). The updates were skipped, and no such step was saved. A lower learning rate usually helps; the run can go back to its last checkpoint.`;
  }

  /** Whether something after this step needs its results: then the report is awaited at once. */
  #isBorder(): boolean {
    return this.#samplesAt(this.#step) || this.#evaluatesAt(this.#step) || this.#savesAt(this.#step);
  }

  #samplesAt(step: number): boolean {
    const { sample_every: every } = this.#parts.config;
    return every > 0 && step % every === 0;
  }

  get #evaluates(): boolean {
    const { config, method } = this.#parts;
    return method.evaluate !== undefined && config.eval_strategy !== "no";
  }

  #evaluatesAt(step: number): boolean {
    const { config } = this.#parts;
    if (!this.#evaluates) return false;
    if (config.eval_strategy === "epoch") return this.#endsEpoch();
    return step % config.eval_steps === 0 || step === this.totalSteps;
  }

  #savesAt(step: number): boolean {
    const { config } = this.#parts;
    if (config.save_strategy === "epoch") return this.#endsEpoch();
    return config.save_strategy === "steps" && step % config.save_steps === 0;
  }

  #endsEpoch(): boolean {
    return this.#loop.epochEnded || this.#step === this.totalSteps;
  }

  /** The held-out loss before the first step: what everything later is compared with. */
  async #evaluateStart(): Promise<void> {
    this.#parts.events.metrics(0, { ...(await this.#heldOut()), epoch: 0 });
  }

  async #heldOut(): Promise<Record<string, number>> {
    return (await this.#parts.method.evaluate?.()) ?? {};
  }

  /** Held-out loss. True when patience has run out. */
  async #evaluate(): Promise<boolean> {
    const { config, events } = this.#parts;
    const values = await this.#heldOut();
    events.metrics(this.#step, { ...values, epoch: this.#epoch });
    const name = config.metric_for_best_model;
    const value = values[name.startsWith("eval_") ? name : `eval_${name}`];
    if (value === undefined) return false;
    const rules = { greaterIsBetter: config.greater_is_better, threshold: config.early_stopping_threshold };
    const best = afterEvaluation(this.#loop.best, this.#step, value, rules);
    this.#loop = { ...this.#loop, best };
    // The best step must be there to come back to, also when no save was due.
    if (best.step === this.#step && config.load_best_model_at_end) await this.#save();
    const patience = config.early_stopping_patience;
    return patience !== null && best.patienceUsed >= patience;
  }

  async #save(): Promise<void> {
    const { run, engine, method, config, configText, checkpoints, events, exportFiles } = this.#parts;
    if (this.#saved === this.#step) return;
    const state = {
      step: this.#step,
      config: configText,
      random: { seed: config.seed },
      data: { ...this.#loop, epoch: this.#epoch, method: method.state() },
      scheduler: { totalSteps: this.totalSteps },
      metrics: { window: numbersToText(this.#window) },
      kernels: {
        ...engine.profile,
        ...{ backend: this.#parts.backend, rematerialize: engine.rematerialize },
      },
    };
    try {
      await saveRun(checkpoints, run, engine, state, (await exportFiles?.(this.#step)) ?? []);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "storage-full" || !events.saveFailed) throw error;
      return events.saveFailed(this.#step, error);
    }
    this.#saved = this.#step;
    const keep = this.#loop.best.step === null ? [] : [this.#loop.best.step];
    await pruneCheckpoints(checkpoints, run, config.save_total_limit, keep);
    events.checkpoint(this.#step, this.#loop.best.step);
  }

  async #finish(stoppedEarly: boolean, reason: string | null): Promise<Outcome> {
    const { config, engine, checkpoints, run, events } = this.#parts;
    await this.#settle(true);
    await this.#save();
    const { best } = this.#loop;
    if (config.load_best_model_at_end && best.step !== null && best.step !== this.#step) {
      await restoreParams(checkpoints, run, best.step, engine);
      events.note(
        `The best checkpoint, step ${best.step} (${config.metric_for_best_model} ${best.metric}), was brought back.`,
      );
    }
    return { state: "done", step: this.#step, stoppedEarly, reason };
  }
}

/** What reading rows can fail with while a run is going. */
const OF_ROWS: ReadonlySet<string> = new Set<ErrorCode>([
  ...(["dataset-invalid", "user-code-invalid", "user-code-failed"] as const),
  ...(["file-invalid", "file-missing", "network", "access-denied"] as const),
]);

/** Whether the rows of a step could not be had, and nothing of the step was done. */
function isOfRows(error: unknown): error is AppError {
  return error instanceof AppError && OF_ROWS.has(error.code) && error.details["midStep"] !== true;
}

function scheduleOf(config: CommonConfig, total: number): ScheduleOptions {
  return {
    name: config.lr_scheduler,
    totalSteps: total,
    warmupSteps: config.warmup_steps ?? warmupSteps(total, undefined, config.warmup_ratio),
    cycles: config.num_cycles,
    endShare: config.lr_end / config.learning_rate,
    power: config.power,
    decaySteps: config.num_decay_steps ?? Math.ceil(total / 10),
    minShare: config.min_lr_ratio,
  };
}
