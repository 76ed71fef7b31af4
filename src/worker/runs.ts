import { settleRevisions } from "../api/settle_revisions.ts";
import { exportYaml } from "../config/export_yaml.ts";
import type { RunConfig } from "../config/fields.ts";
import { AppError, refuseIfCancelled } from "../lib/errors.ts";
import { Random } from "../lib/random.ts";
import type { GivenSettings, PickedFiles } from "../protocol/values.ts";
import { deleteRun, putRun } from "../storage/runs.ts";
import type { WorkerContext } from "./context.ts";
import { registerFiles } from "./files.ts";
import { requireRun } from "./history.ts";
import { refuseIfNeeded, settleRunAdapter } from "./run_adapters.ts";
import { Session, type SessionOptions } from "./session.ts";
import { configOfRun, requireConfig } from "./settings.ts";

const ADJECTIVES = [
  "quiet",
  "bright",
  "brave",
  "calm",
  "swift",
  "warm",
  "clever",
  "gentle",
  "bold",
  "merry",
  "keen",
  "wise",
];
const ANIMALS = [
  "otter",
  "heron",
  "lynx",
  "finch",
  "badger",
  "hare",
  "owl",
  "seal",
  "wren",
  "fox",
  "crane",
  "marten",
];

function datasetLabel({ dataset_name: name, more_datasets: more }: RunConfig): string {
  if (name === null) return "recorded rollouts";
  return more.length === 0 ? name : `${name} and ${more.length} more`;
}

/** A name that people remember, from the clock: it only has to differ from its neighbours. */
function memorableName(): string {
  const random = new Random(Date.now() % 4294967296);
  return `${ADJECTIVES[random.integer(ADJECTIVES.length)]}-${ANIMALS[random.integer(ANIMALS.length)]}`;
}

/** A run on its way to the device. */
interface Preparing {
  readonly runId: string;
  readonly name: string;
  readonly config: RunConfig;
  readonly abort: AbortController;
  /** When it stands there, or is over. */
  readonly ended: Promise<void>;
}

/** The runs of this tab: at most one of them holds the device. */
export class Runs {
  readonly #context: WorkerContext;
  #session: Session | undefined;
  #preparing: Preparing | undefined;
  /** When devices were lost, to tell a mishap from a device that keeps failing. */
  readonly #losses: number[] = [];

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** The run that holds the device, or is on its way there. */
  get current(): { readonly name: string; readonly config: RunConfig } | undefined {
    const session = this.#session;
    return this.#preparing ?? (session && { name: session.name, config: session.options.config });
  }

  #refuseWhilePreparing(): void {
    if (!this.#preparing) return;
    throw new AppError(
      "config-invalid",
      `${this.#preparing.name} is being prepared. Cancel that, or wait until it trains; one run uses the GPU at a time.`,
    );
  }

  /** Throws when another run is going or being prepared; a run that stands still makes room. */
  async #makeRoom(): Promise<void> {
    this.#refuseWhilePreparing();
    await this.#closeIdle();
  }

  async #closeIdle(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    if (session.isBusy) {
      throw new AppError(
        "config-invalid",
        `${session.name} is training. Pause or stop it first; one run uses the GPU at a time.`,
      );
    }
    this.#session = undefined;
    await session.close();
  }

  /** Makes a session, which can be cancelled meanwhile. */
  async #prepare(options: Omit<SessionOptions, "onLost">): Promise<Session> {
    this.#refuseWhilePreparing();
    const { runId, name, config } = options;
    const abort = new AbortController();
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#preparing = { runId, name, config, abort, ended };
    try {
      await this.#closeIdle();
      const onLost = (lost: Session) => void this.#revive(lost);
      const session = await Session.prepare(this.#context, { ...options, onLost }, abort.signal);
      if (abort.signal.aborted) await session.close();
      refuseIfCancelled(abort.signal);
      this.#session = session;
      return session;
    } finally {
      this.#preparing = undefined;
      end();
    }
  }

  /** Ends the preparation of a run, if that is going on; what arrived of its files stays. */
  async cancel(runId: string): Promise<void> {
    if (this.#preparing?.runId !== runId) return;
    const { abort, ended } = this.#preparing;
    abort.abort();
    await ended;
  }

  async start(params: {
    readonly given: GivenSettings;
    readonly recipe: string | null;
    readonly files: PickedFiles;
    readonly name: string | null;
    readonly skipBadRows: boolean;
    readonly unkept?: boolean;
  }): Promise<{ runId: string; name: string; totalSteps: number }> {
    const { database, host } = this.#context;
    registerFiles(host, params.files);
    const { config: resolved } = await requireConfig(params);
    const name = params.name ?? memorableName();
    await this.#makeRoom();
    const { adapter_name_or_path: adapter } = resolved;
    const config = await settleRevisions(host, {
      ...resolved,
      run_name: name,
      adapter_name_or_path: await settleRunAdapter(host.checkpoints, database, adapter),
    });
    const runId = crypto.randomUUID();
    const configText = exportYaml({ ...config });
    const { skipBadRows, unkept = false } = params;
    const session = await this.#prepare({
      ...{ runId, name, config, configText, skipBadRows, resumeStep: undefined, unkept },
    });
    const now = Date.now();
    if (database) {
      await putRun(database, {
        ...{
          id: runId,
          name,
          algorithm: config.algorithm,
          model: config.model_name,
          dataset: datasetLabel(config),
        },
        ...{
          config: configText,
          status: "running",
          step: 0,
          maxSteps: session.totalSteps,
          created: now,
          updated: now,
        },
        ...{ heroMetric: null, bestStep: null, pinned: false, error: null, memory: session.memory },
      });
    }
    session.go();
    return { runId, name, totalSteps: session.totalSteps };
  }

  /** The session of a run: the one that holds the device, or one made from the run's last checkpoint (or `step`). */
  async open(runId: string, step: number | null, files: PickedFiles = {}, unkept = true): Promise<Session> {
    const current = this.#session;
    if (current?.runId === runId && (step === null || step === current.step)) return current;
    const { database, host } = this.#context;
    if (!database)
      throw new AppError(
        "checkpoint-invalid",
        "This browser keeps no runs, so there is nothing to go back to.",
      );
    registerFiles(host, files);
    const run = await requireRun(database, runId);
    const steps = await host.checkpoints.steps(runId);
    const resumeStep = step ?? steps.at(-1);
    if (resumeStep === undefined || !steps.includes(resumeStep)) {
      throw new AppError(
        "checkpoint-invalid",
        `${run.name} has no checkpoint${step === null ? "" : ` of step ${step}`}. It can be started again from the beginning.`,
      );
    }
    await this.#makeRoom();
    const config = configOfRun(run.config);
    return this.#prepare({
      ...{ runId, name: run.name, config, configText: run.config, skipBadRows: true, resumeStep, unkept },
    });
  }

  async resume(
    runId: string,
    step: number | null,
    files: PickedFiles,
    unkept = false,
  ): Promise<{ step: number; totalSteps: number }> {
    const session = await this.open(runId, step, files, unkept);
    session.go();
    return { step: session.step, totalSteps: session.totalSteps };
  }

  /**
   * Brings a run back after the device was lost: a new device, the last checkpoint (or the beginning), and on. A device
   * that is lost twice within two minutes would be lost again, so then the run stops and says what may help.
   */
  async #revive(lost: Session): Promise<void> {
    const now = this.#context.host.now();
    const again = this.#losses.some((time) => now - time < 120_000);
    this.#losses.push(now);
    this.#session = undefined;
    lost.abandon();
    if (again) {
      return lost.fail(
        new AppError(
          "device-lost",
          "Your GPU keeps resetting. Lower batch_size or max_seq_length, close other GPU-heavy tabs, or plug in the laptop; then resume.",
        ),
      );
    }
    try {
      const steps = await this.#context.host.checkpoints.steps(lost.runId);
      const session = await this.#prepare({ ...lost.options, resumeStep: steps.at(-1) });
      session.note(
        `On a new device, from step ${session.step}; ${lost.step - session.step} steps are repeated.`,
      );
      session.go();
    } catch (error) {
      if (error instanceof AppError && error.code === "cancelled") return lost.leave();
      lost.fail(error);
    }
  }

  require(runId: string): Session {
    if (this.#session?.runId === runId) return this.#session;
    throw new AppError("config-invalid", "This run is not in the GPU's memory. Resume it first.");
  }

  async discard(runId: string): Promise<void> {
    const { database } = this.#context;
    if (database) await refuseIfNeeded(database, runId, null);
    await this.cancel(runId);
    if (this.#session?.runId === runId) {
      const session = this.#session;
      this.#session = undefined;
      await session.close();
    }
    if (database && !(await deleteRun(database, runId))) {
      throw new AppError("config-invalid", "This run is pinned. Unpin it before deleting it.");
    }
  }

  /** Frees the device for something else, such as a chat with another model. */
  async release(): Promise<void> {
    await this.#makeRoom();
  }
}
