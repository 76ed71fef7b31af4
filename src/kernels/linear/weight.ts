import type { Tensor } from "../../gpu/tensor.ts";

/** How the elements of a frozen weight are stored; shaders get it as `const FORMAT`. */
export const WEIGHT_FORMATS = { f32: 0, bf16: 1, f16: 2, nf4: 3 } as const;
export type WeightFormat = keyof typeof WEIGHT_FORMATS;

/**
 * A matrix (rows, cols), row-major as stored in the file, bound as array<u32>.
 * bf16 and f16 are two elements a word, the first in the low half. Element i of the matrix is element `first + i` of the
 * buffer, so that a Weight may be a range of rows of a larger one.
 */
export interface Weight {
  readonly tensor: Tensor;
  readonly format: WeightFormat;
  readonly rows: number;
  readonly cols: number;
  /** Elements before this matrix in the buffer. */
  readonly first: number;
  /** Only for nf4: where the scales lie in the same buffer, in words. */
  readonly nf4?: Nf4Layout;
}

/**
 * NF4 with double quantisation in one buffer of words: codes (8 a word; element i is nibble i % 8, low first), then
 * the 8-bit codes of the block scales (4 a word), then the f32 scale of each 256 block scales, then the 256 f32 of the
 * dynamic map. The scale of block b is map[code_b] * scale2[b / 256] + offset.
 */
export interface Nf4Layout {
  readonly scaleCodes: number;
  readonly scales: number;
  readonly map: number;
  readonly offset: number;
}

/** Rows [from, to) of a weight, without copying. */
export function weightRows(weight: Weight, from: number, to: number): Weight {
  return { ...weight, rows: to - from, first: weight.first + from * weight.cols };
}

/**
 * A low-rank term of a linear: y[n, c] += scale * sum_j u[n, segment.u + j] * matrix[index(c, j)] for the columns of each
 * segment, with index(c, j) = (c - begin + row) * columnStride + j * rankStride. Forward uses it with B (columnStride r,
 * rankStride 1), the gradient of x with A (columnStride 1, rankStride in_features).
 */
export interface LoraTerm {
  /** (capacity, total rank) */
  readonly u: Tensor;
  readonly matrix: Tensor;
  readonly columnStride: number;
  readonly rankStride: number;
  readonly rank: number;
  /**
   * For dropout: rank columns that share a mask, the r of one projection where several are stacked; `rank` when absent.
   * The mask of column j of u is that of projection floor(j / ranksPerSegment).
   */
  readonly ranksPerSegment?: number;
  readonly scale: number;
  /** At most three; columns of y outside all segments get nothing. */
  readonly segments: readonly LoraSegment[];
}

export interface LoraSegment {
  /** Columns [begin, end) of y. */
  readonly begin: number;
  readonly end: number;
  /** First column of u. */
  readonly u: number;
  /** Row of the matrix that belongs to column `begin`. */
  readonly row: number;
}
