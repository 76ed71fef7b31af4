import type { Gpu } from "../gpu/device.ts";
import { alignedBytes, type Tensor, tensorAt } from "../gpu/tensor.ts";
import { invariant } from "../lib/errors.ts";
import { firstPosition } from "../model/batch_tables.ts";
import type { Sequence } from "./sequences.ts";

/** Where a sequence's keys and values are. */
export interface Seat {
  readonly sequence: Sequence;
  /** Slot of its own: all of its keys, or with a shared prompt those after it. */
  readonly slot: number;
  /** Slot that holds the shared prompt. */
  readonly promptSlot: number;
  /** Keys that are read from promptSlot; 0 where the own slot has them. */
  readonly promptLength: number;
}

/**
 * Gives every sequence a slot. Sequences of one prompt, which must be neighbours, share its keys and values, all but
 * those of its last token: they stay in the slot of the first of them.
 */
export function seatSequences(sequences: readonly Sequence[]): Seat[] {
  let promptSlot = 0;
  return sequences.map((sequence, slot) => {
    const shared = sequences[slot - 1]?.promptIndex === sequence.promptIndex;
    if (!shared) promptSlot = slot;
    return { sequence, slot, promptSlot, promptLength: shared ? sequence.prompt.length - 1 : 0 };
  });
}

const NAMES = ["positions", "keys", "targets", "sequences"] as const;
type Name = (typeof NAMES)[number];
const WIDTHS: Readonly<Record<Name, number>> = { positions: 1, keys: 1, targets: 2, sequences: 4 };

/**
 * What the host tells the GPU before a decoding step, in one small buffer: positions, noise keys, where the new keys
 * and values go, and where each sequence's are. All of it is known without knowing the tokens.
 */
export class DecodeTables {
  readonly tensors: Readonly<Record<Name, Tensor>>;
  readonly #gpu: Gpu;
  readonly #all: Tensor;
  readonly #host: Uint32Array<ArrayBuffer>;
  readonly #views: Readonly<Record<Name, Uint32Array<ArrayBuffer>>>;
  readonly #longFrom: number;

  /** `long` is the model's longFrom. */
  constructor(gpu: Gpu, rows: number, long: number) {
    this.#longFrom = long;
    const bytes = (name: Name) => alignedBytes(4 * rows * WIDTHS[name]);
    const total = NAMES.reduce((sum, name) => sum + bytes(name), 0);
    this.#gpu = gpu;
    this.#all = gpu.tensor("decode", [total / 4]);
    this.#host = new Uint32Array(total / 4);
    const buffer = this.#all.place?.buffer;
    invariant(buffer, "a tensor of its own has a place");
    const tensors: Partial<Record<Name, Tensor>> = {};
    const views: Partial<Record<Name, Uint32Array<ArrayBuffer>>> = {};
    let offset = 0;
    for (const name of NAMES) {
      const width = WIDTHS[name];
      tensors[name] = tensorAt(name, width === 1 ? [rows] : [rows, width], { buffer, offset });
      views[name] = this.#host.subarray(offset / 4, offset / 4 + rows * width);
      offset += bytes(name);
    }
    this.tensors = tensors as Record<Name, Tensor>;
    this.#views = views as Record<Name, Uint32Array<ArrayBuffer>>;
  }

  /** Uploads the tables of the step that makes new token `index` of each sequence, from the token before it. */
  write(seats: readonly Seat[], index: number): void {
    const { positions, keys, targets, sequences } = this.#views;
    seats.forEach(({ sequence, slot, promptSlot, promptLength }, row) => {
      const position = sequence.prompt.length - 1 + index;
      positions[row] = position + firstPosition(sequence.prompt.length, this.#longFrom);
      keys[row] = sequence.key;
      targets.set([slot, position - promptLength], 2 * row);
      sequences.set([promptSlot, promptLength, slot, position + 1], 4 * row);
    });
    this.#gpu.upload(this.#all, this.#host);
  }
}
