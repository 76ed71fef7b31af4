import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { type Program, planPrograms } from "../gpu/program.ts";
import type { ReadbackRing } from "../gpu/readback.ts";
import { type StepValues, ZERO_STEP } from "../gpu/step.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import type { BatchRow, BatchTables, Capacity } from "../model/batch_tables.ts";
import type { LoadedModel } from "../model/loaded_model.ts";
import type { Adapter } from "../model/lora.ts";
import type { ParamPool } from "../model/param_pool.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { ModelWeights } from "../model/weights.ts";
import { type EngineOptions, type EngineParts, prepareEngine } from "./engine_parts.ts";
import type { Optimizer } from "./optimizer.ts";
import type { ReportBuffer, StepReport } from "./report.ts";
import type { WholeBatch } from "./whole_batch.ts";

/** What one execution adds to the counts of its batch. */
export interface MicroStep {
  /** Slot of this micro-batch within its optimizer step. */
  readonly micro: number;
  /** Optimizer steps done before. */
  readonly step: number;
  readonly seed: number;
  /** NEFTune's half width. */
  readonly noise: number;
}

/** Where the loss of a batch goes when nothing is noisy. */
const PLAIN: MicroStep = { micro: 0, step: 0, seed: 0, noise: 0 };

/** How much of a program's tables is in use. */
export type Counts = Pick<StepValues, "N" | "M" | "R" | "T" | "U" | "spare">;

/** A report that is on its way to the host. */
export interface PendingReport {
  read(): Promise<StepReport>;
}

/**
 * A model on the GPU with everything that training needs: all memory is allocated and all programs are recorded when it
 * is created; a step only uploads a batch and replays them.
 */
export class Engine {
  readonly gpu: Gpu;
  readonly spec: ModelSpec;
  readonly profile: KernelProfile;
  readonly capacity: Capacity;
  readonly pool: ParamPool;
  readonly optimizer: Optimizer;
  readonly report: ReportBuffer;
  readonly weights: ModelWeights;
  readonly adapter: Adapter | undefined;
  readonly model: LoadedModel;
  readonly programs: Readonly<Record<string, Program>>;
  readonly whole: WholeBatch | undefined;
  /** Free between two programs: whatever runs in turns with them may use it. */
  readonly arena: Arena;
  readonly rematerialize: boolean;
  readonly #tables: BatchTables;
  readonly #scoreRing: ReadbackRing;
  readonly #passRing: ReadbackRing;

  private constructor(
    gpu: Gpu,
    options: EngineOptions,
    parts: EngineParts,
    programs: readonly Program[],
    arena: Arena,
  ) {
    this.gpu = gpu;
    this.arena = arena;
    this.rematerialize = options.rematerialize;
    this.spec = options.spec;
    this.profile = parts.profile;
    this.capacity = options.capacity;
    this.model = parts.model;
    this.pool = parts.model.pool;
    this.weights = parts.model.weights;
    this.adapter = parts.model.adapter;
    this.optimizer = parts.optimizer;
    this.report = parts.report;
    this.programs = Object.fromEntries(programs.map((program) => [program.name, program]));
    this.whole = parts.whole;
    this.#tables = parts.tables;
    this.#scoreRing = parts.scoreRing;
    this.#passRing = parts.passRing;
  }

  /** Throws `model-*` and `adapter-unsupported` for bad files, `gpu-out-of-memory` when the plan does not fit. */
  static async create(gpu: Gpu, options: EngineOptions): Promise<Engine> {
    const { arena = new Arena(gpu) } = options;
    const parts = await prepareEngine(gpu, options);
    return new Engine(gpu, options, parts, await planPrograms(gpu, parts.recorders, arena), arena);
  }

  program(name: string): Program {
    const program = this.programs[name];
    if (!program) throw new Error(`the objective records no program ${name}`);
    return program;
  }

  /** Uploads a micro-batch for the programs that `execute` runs on it. */
  load(rows: readonly BatchRow[]): Counts {
    this.gpu.check();
    return this.#tables.fill(rows);
  }

  /** Runs a program on the rows that were loaded last. */
  execute(program: string, counts: Counts, micro: MicroStep = PLAIN): void {
    this.program(program).execute({ ...ZERO_STEP, ...micro, ...counts });
  }

  /**
   * The same; and the scores that the program left of the rows' targets, on their way to the host. Those of all passes of two
   * optimizer steps may be on their way at once.
   */
  executeScored(
    program: string,
    counts: Counts,
    micro: MicroStep,
    rows: readonly BatchRow[],
  ): Promise<Float32Array<ArrayBuffer>[]> {
    return this.#scored(program, counts, micro, rows, this.#passRing);
  }

  /** Uploads a micro-batch and adds its gradients; its metrics land in slot `micro`. */
  accumulate(rows: readonly BatchRow[], micro: MicroStep): void {
    this.execute("train", this.load(rows), micro);
  }

  /** Loss of a micro-batch without gradients, noise or dropout. */
  evaluate(rows: readonly BatchRow[], micro: number): void {
    this.execute("evaluate", this.load(rows), { ...PLAIN, micro });
  }

  /**
   * What a program that fills `scores` gives for the targets of each row, in as few passes as the capacity allows. Waits
   * for the GPU: for rollouts, never within a step's accumulation.
   */
  async score(program: string, rows: readonly BatchRow[]): Promise<Float32Array<ArrayBuffer>[]> {
    const results: Promise<Float32Array<ArrayBuffer>[]>[] = [];
    for (const part of fittingParts(rows, this.capacity)) {
      if (this.#scoreRing.free === 0) await results.at(-this.#scoreRing.depth);
      results.push(this.#scored(program, this.load(part), PLAIN, part, this.#scoreRing));
    }
    return (await Promise.all(results)).flat();
  }

  async #scored(
    program: string,
    counts: Counts,
    micro: MicroStep,
    rows: readonly BatchRow[],
    ring: ReadbackRing,
  ): Promise<Float32Array<ArrayBuffer>[]> {
    let copy: { read(): Promise<ArrayBuffer> } | undefined;
    this.program(program).execute({ ...ZERO_STEP, ...micro, ...counts }, (encoder) => {
      copy = ring.copy(encoder);
    });
    if (!copy) throw new Error("the scores were not copied");
    return byRow(new Float32Array(await copy.read()), rows);
  }

  /**
   * Applies the accumulated gradients (or, when something is not finite, drops them) and starts reading the report. `micros`
   * counts micro-batches, or says how many slots each of them took.
   */
  update(step: {
    readonly lr: number;
    readonly step: number;
    readonly micros: number | readonly number[];
  }): PendingReport {
    const { lr, micros } = step;
    const slots = typeof micros === "number" ? new Array<number>(micros).fill(1) : micros;
    const micro = slots.reduce((sum, count) => sum + count, 0) - 1;
    let copy: PendingReport | undefined;
    this.program("update").execute({ ...ZERO_STEP, lr, step: step.step, micro }, (encoder) => {
      copy = this.report.copy(encoder, slots);
    });
    if (!copy) throw new Error("the report was not copied");
    return copy;
  }

  /** Moves the reference towards what trains (sync_ref_model). */
  moveReference(): void {
    this.program("moveReference").execute(ZERO_STEP);
  }

  /** The metrics of `micros` evaluated micro-batches. Waits for the GPU. */
  async readEvaluation(micros: number): Promise<StepReport> {
    const encoder = this.gpu.device.createCommandEncoder();
    const copy = this.report.copy(encoder, new Array<number>(micros).fill(1));
    this.gpu.device.queue.submit([encoder.finish()]);
    return copy.read();
  }
}

function byRow(scores: Float32Array<ArrayBuffer>, rows: readonly BatchRow[]): Float32Array<ArrayBuffer>[] {
  let at = 0;
  return rows.map(({ targets }) => {
    const start = at;
    at += targets.length;
    return scores.slice(start, at);
  });
}

/** Rows in order, cut where the next one would not fit. Throws when a row alone does not. */
export function fittingParts(rows: readonly BatchRow[], { N, M, R }: Capacity): BatchRow[][] {
  const parts: BatchRow[][] = [];
  let used = { N: Number.POSITIVE_INFINITY, M: 0, R: 0 };
  for (const row of rows) {
    const { N: n, M: m, R: r } = used;
    const fits = n + row.ids.length <= N && m + row.targets.length <= M && r + 1 <= R;
    if (!fits) parts.push([]);
    const base = fits ? used : { N: 0, M: 0, R: 0 };
    used = { N: base.N + row.ids.length, M: base.M + row.targets.length, R: base.R + 1 };
    parts.at(-1)?.push(row);
  }
  return parts;
}
