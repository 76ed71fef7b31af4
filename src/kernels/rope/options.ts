import type { Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";

export interface RopeOptions {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Channels that are rotated, the first of each head: even, at most headDim. */
  readonly rotary: number;
  /** Of the QK norm. */
  readonly eps: number;
  /** Added to the QK norm's weight: 1 for Gemma, else 0. */
  readonly offset: number;
  /** False where positions are learned (GPT-2): queries and keys are only copied, and no tables are needed. */
  readonly rotate: boolean;
}

/** Tables that live outside the arena. rotations: (maxPositions, rotary), of `ropeTable`; positions: (capacity) u32. */
export interface RopeTensors {
  readonly rotations?: Tensor | undefined;
  readonly positions: Tensor;
}

/** The rotated pairs a head has, and the tables; where nothing is rotated, `positions` stands in, unread. */
export function rotation(
  { rotations, positions }: RopeTensors,
  { headDim, rotary, rotate }: RopeOptions,
): { half: number; tables: { rotations: Tensor; positions: Tensor } } {
  if (!rotate) return { half: 0, tables: { rotations: positions, positions } };
  invariant(rotary % 2 === 0 && rotary <= headDim, `rope: rotary = ${rotary} with headDim = ${headDim}`);
  invariant(rotations?.shape[1] === rotary, "rope: rotation needs a table of its width");
  return { half: rotary / 2, tables: { rotations, positions } };
}
