import type { Tensor } from "../gpu/tensor.ts";
import type { Weight } from "../kernels/linear/weight.ts";
import type { GroupName } from "./lora.ts";

export interface NormWeights {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

/** A part of a group: one matrix, and the columns of the group's output that it makes. */
export interface GroupPart {
  readonly weight: Weight;
  readonly column: number;
  readonly bias: Tensor | undefined;
}

/** Linear layers that share an input. One part when their matrices lie in one buffer, else several. */
export interface GroupWeights {
  readonly parts: readonly GroupPart[];
  readonly inputs: number;
  readonly outputs: number;
}

export interface LayerWeights extends Readonly<Record<GroupName, GroupWeights>> {
  readonly inputNorm: NormWeights;
  readonly mlpNorm: NormWeights;
  readonly postAttentionNorm: NormWeights | undefined;
  readonly postMlpNorm: NormWeights | undefined;
  readonly qNorm: Tensor | undefined;
  readonly kNorm: Tensor | undefined;
}

/** Rows [firstRow, firstRow + weight.rows) of a table over the vocabulary. */
export interface RowShard {
  readonly weight: Weight;
  readonly firstRow: number;
}

export interface ModelWeights {
  readonly embedding: readonly RowShard[];
  readonly positionTable: Weight | undefined;
  readonly layers: readonly LayerWeights[];
  readonly finalNorm: NormWeights;
  /** The embedding's own shards when they are tied. */
  readonly head: readonly RowShard[];
}

/** How the weights of the layers' linears are kept. */
export type BaseFormat =
  /** As the file has them. */
  | "stored"
  /** Four bits, double quantisation. */
  | "nf4"
  /** f32 after a round trip through four bits: what nf4 must equal. For checks only. */
  | "nf4-roundtrip";
