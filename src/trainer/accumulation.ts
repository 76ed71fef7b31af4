import type { BatchRow } from "../model/batch_tables.ts";
import type { Counts, Engine, MicroStep, PendingReport } from "./engine.ts";

/** Further things that a micro-batch may need. */
export interface MicroBatchOptions {
  /** NEFTune's half width. */
  readonly noise?: number;
  /** A program that runs on each pass before its loss is computed. */
  readonly before?: string | undefined;
}

/**
 * The micro-batches of one optimizer step. Each comes in as many passes as its rows take on the GPU; the passes add up to
 * what one pass over all rows would give, and so do their metrics. Rows carry weights of the micro-batch that they are of.
 */
export class Accumulation {
  readonly #engine: Engine;
  readonly #place: { readonly step: number; readonly seed: number };
  /** Slots of metrics that each micro-batch has taken. */
  readonly #slots: number[] = [];

  constructor(engine: Engine, place: { readonly step: number; readonly seed: number }) {
    this.#engine = engine;
    this.#place = place;
  }

  add(passes: readonly (readonly BatchRow[])[], options: MicroBatchOptions = {}): void {
    this.#run(passes, options, (program, counts, micro) => {
      this.#engine.execute(program, counts, micro);
    });
  }

  /** The same; and the scores of all targets, row by row, on their way to the host. */
  async addScored(
    passes: readonly (readonly BatchRow[])[],
    options: MicroBatchOptions = {},
  ): Promise<Float32Array<ArrayBuffer>[]> {
    const scores: Promise<Float32Array<ArrayBuffer>[]>[] = [];
    this.#run(passes, options, (program, counts, micro, rows) => {
      scores.push(this.#engine.executeScored(program, counts, micro, rows));
    });
    return (await Promise.all(scores)).flat();
  }

  /** Applies the gradients and starts reading the report, one entry for each micro-batch. */
  update(lr: number): PendingReport {
    return this.#engine.update({ lr, step: this.#place.step, micros: this.#slots });
  }

  #run(
    passes: readonly (readonly BatchRow[])[],
    { noise = 0, before }: MicroBatchOptions,
    last: (program: string, counts: Counts, micro: MicroStep, rows: readonly BatchRow[]) => void,
  ): void {
    const engine = this.#engine;
    const slot = this.#slots.reduce((sum, slots) => sum + slots, 0);
    const place = (micro: number): MicroStep => ({ ...this.#place, micro, noise });
    const begin = (rows: readonly BatchRow[]) => {
      const counts = engine.load(rows);
      if (before !== undefined) engine.execute(before, counts);
      return counts;
    };
    const { whole } = engine;
    if (!whole) {
      passes.forEach((rows, i) => {
        last("train", begin(rows), place(slot + i), rows);
      });
      this.#slots.push(passes.length);
      return;
    }
    const all = whole.load(passes.flat());
    const firsts: number[] = [];
    let first = 0;
    for (const rows of passes) {
      const counts = begin(rows);
      engine.execute("forward", counts);
      whole.gather(first, counts.M);
      firsts.push(first);
      first += counts.M;
    }
    engine.execute("loss", all, place(slot));
    passes.forEach((rows, i) => {
      const counts = engine.load(rows);
      whole.handOut(firsts[i] ?? 0, counts.M);
      last("backward", counts, place(slot), rows);
    });
    this.#slots.push(1);
  }
}
