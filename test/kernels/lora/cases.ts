import type { LoraSegment } from "../../../src/kernels/linear/weight.ts";
import { hash } from "../../../src/lib/random.ts";
import type { Mask, Shape } from "../../reference/lora.ts";

/** A group of adapters: sizes that no tile divides, a rank below, at and above a tile, columns that nobody adapts. */
export interface LoraCase {
  readonly name: string;
  readonly capacity: number;
  readonly shape: Shape;
  readonly ldy: number;
  readonly rowsB: number;
  readonly segments: readonly LoraSegment[];
}

export const CASES: readonly LoraCase[] = [
  {
    name: "q, k, v of one tensor",
    capacity: 53,
    shape: { N: 47, K: 83, ldx: 83, column: 0, ru: 15, rank: 5 },
    ldy: 67 + 35 + 34,
    rowsB: 67 + 35 + 34,
    segments: [
      { begin: 0, end: 67, u: 0, row: 0 },
      { begin: 67, end: 102, u: 5, row: 67 },
      { begin: 102, end: 136, u: 10, row: 102 },
    ],
  },
  {
    name: "q and v only, x inside a wider tensor",
    capacity: 19,
    shape: { N: 19, K: 64, ldx: 101, column: 37, ru: 32, rank: 16 },
    ldy: 90,
    rowsB: 49,
    segments: [
      { begin: 3, end: 33, u: 0, row: 0 },
      { begin: 71, end: 90, u: 16, row: 30 },
    ],
  },
  {
    name: "one projection, a large rank",
    capacity: 131,
    shape: { N: 130, K: 37, ldx: 37, column: 0, ru: 37, rank: 37 },
    ldy: 41,
    rowsB: 41,
    segments: [{ begin: 0, end: 41, u: 0, row: 0 }],
  },
  {
    name: "rank 1, one token",
    capacity: 3,
    shape: { N: 1, K: 259, ldx: 259, column: 0, ru: 2, rank: 1 },
    ldy: 13,
    rowsB: 13,
    segments: [
      { begin: 0, end: 5, u: 0, row: 0 },
      { begin: 5, end: 13, u: 1, row: 5 },
    ],
  },
];

export const SEED = 77;
export const STEP = 5;

export function keysFor(capacity: number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length: capacity }, (_, n) => hash(3, n));
}

export function maskFor(capacity: number, rate = 0.3, tag = 40): Mask {
  return { rate, tag, seed: SEED, step: STEP, keys: keysFor(capacity) };
}
