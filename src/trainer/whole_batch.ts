import { type Gpu, placeOf } from "../gpu/device.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { type BatchRow, BatchTables, type Capacity } from "../model/batch_tables.ts";
import type { HeadActs } from "../model/head.ts";

/** What a loss reads of the head, one entry for each loss token. */
export type HeadOutputs = Pick<HeadActs, "out" | "argmax" | "logCollision">;

/**
 * A micro-batch that is more than one pass, for a loss that looks across all of it: its tables, what the head said of all
 * its tokens, and their gradient. Tokens and rows lie in the order of the passes.
 */
export class WholeBatch {
  readonly capacity: Capacity;
  readonly tables: BatchTables;
  readonly head: HeadOutputs;
  /** (M, 3) of the whole micro-batch. */
  readonly upstream: Tensor;
  /** (M, 3) of the pass that runs. */
  readonly passUpstream: Tensor;
  readonly #gpu: Gpu;
  readonly #pass: BatchTables;
  #passHead: HeadOutputs | undefined;

  constructor(gpu: Gpu, capacity: Capacity, pass: BatchTables, tiles: { tile: number; long: number }) {
    const { M } = capacity;
    this.capacity = capacity;
    this.#gpu = gpu;
    this.#pass = pass;
    this.tables = new BatchTables(gpu, capacity, { ...tiles, columns: Object.keys(pass.columns) });
    this.head = {
      out: gpu.tensor("whole.out", [M, 4]),
      argmax: gpu.tensor("whole.argmax", [M]),
      logCollision: gpu.tensor("whole.log_collision", [M]),
    };
    this.upstream = gpu.tensor("whole.upstream", [M, 3]);
    this.passUpstream = gpu.tensor("pass.upstream", [pass.capacity.M, 3]);
  }

  /** Names the tensors in which a pass leaves what `gather` collects. They must outlive the pass's program. */
  collectFrom(head: HeadOutputs): void {
    this.#passHead = head;
  }

  /** Uploads the tables of all rows. */
  load(rows: readonly BatchRow[]): ReturnType<BatchTables["fill"]> {
    return this.tables.fill(rows);
  }

  /** Takes the head's outputs and the columns of a pass whose `count` loss tokens begin at `first`. */
  gather(first: number, count: number): void {
    const head = this.#passHead;
    if (!head) throw new Error("no pass leaves its outputs");
    const columns = Object.entries(this.tables.columns).map(
      ([name, to]) => [this.#pass.columns[name] as Tensor, to] as const,
    );
    this.#copy(count, [
      ...columns.map(([from, to]) => ({ from, to, width: 1, at: 0, into: first })),
      { from: head.out, to: this.head.out, width: 4, at: 0, into: first },
      { from: head.argmax, to: this.head.argmax, width: 1, at: 0, into: first },
      { from: head.logCollision, to: this.head.logCollision, width: 1, at: 0, into: first },
    ]);
  }

  /** Hands the gradient of a pass's tokens to the pass. */
  handOut(first: number, count: number): void {
    this.#copy(count, [{ from: this.upstream, to: this.passUpstream, width: 3, at: first, into: 0 }]);
  }

  #copy(
    count: number,
    copies: readonly { from: Tensor; to: Tensor; width: number; at: number; into: number }[],
  ): void {
    const { device, counts } = this.#gpu;
    const encoder = device.createCommandEncoder({ label: "whole" });
    for (const { from, to, width, at, into } of copies) {
      const [source, target] = [placeOf(from), placeOf(to)];
      const offsets = [source.offset + 4 * width * at, target.offset + 4 * width * into] as const;
      encoder.copyBufferToBuffer(source.buffer, offsets[0], target.buffer, offsets[1], 4 * width * count);
    }
    device.queue.submit([encoder.finish()]);
    counts.submits += 1;
  }
}
