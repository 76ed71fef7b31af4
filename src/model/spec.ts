import type { RopeAngles } from "../kernels/rope/tables.ts";

/**
 * What the engine needs to know of a model, independent of where its config.json came from. An architecture file turns
 * a config into a ModelSpec; the decoder (decoder_block.ts) runs any ModelSpec.
 */
export interface ModelSpec {
  readonly modelType: string;
  readonly vocab: number;
  /** C */
  readonly hidden: number;
  /** H */
  readonly heads: number;
  /** K */
  readonly kvHeads: number;
  /** D */
  readonly headDim: number;
  /** F */
  readonly mlp: number;
  readonly maxPositions: number;
  readonly norm: NormSpec;
  /** The embedding is multiplied by this: the square root of C for Gemma, else 1. */
  readonly embeddingScale: number;
  /** Rotary tables by name; a layer says which it uses. Empty when positions are learned. */
  readonly rope: Readonly<Record<string, RopeSpec>>;
  /** Name in the file of the learned position table, if any. */
  readonly positionTable: string | undefined;
  readonly attentionScale: number;
  /** 0 means none. */
  readonly attentionSoftcap: number;
  readonly finalSoftcap: number;
  readonly activation: Activation;
  /** Weights are stored (in, out) as GPT-2's Conv1D does. */
  readonly conv1d: boolean;
  readonly embedding: string;
  readonly finalNorm: string;
  /** Name of the head's weight; the embedding's when they are tied. */
  readonly head: string;
  readonly layers: readonly LayerSpec[];
}

export type Activation = "silu" | "gelu_tanh";

export interface NormSpec {
  readonly kind: "rmsnorm" | "layernorm";
  readonly eps: number;
  /** Added to the weight: 1 for Gemma. */
  readonly offset: number;
}

/** `rotary` counts the channels of a head that are rotated. */
export type RopeSpec = RopeAngles;

/** One linear layer of the file. */
export interface Projection {
  /** Name in the file without `.weight`: also where a bias would be. */
  readonly file: string;
  /** Module path in transformers: what target_modules match and what PEFT's keys hold. */
  readonly module: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
}

export interface LayerSpec {
  /** Name of the weight, without `.weight`. */
  readonly inputNorm: string;
  readonly mlpNorm: string;
  /** Norms of the branch outputs before the residual addition (Gemma). */
  readonly postAttentionNorm: string | undefined;
  readonly postMlpNorm: string | undefined;
  /** Projections that share the normed input; their outputs lie side by side as [q | k | v]. */
  readonly qkv: readonly Projection[];
  readonly qNorm: string | undefined;
  readonly kNorm: string | undefined;
  readonly output: Projection;
  /** [gate | up], one fused projection, or GPT-2's c_fc. */
  readonly up: readonly Projection[];
  readonly down: Projection;
  /** Which rotary table; undefined when positions are learned. */
  readonly rope: string | undefined;
  /** Sliding window in tokens; 0 means full attention. */
  readonly window: number;
}

/**
 * Sequences of more tokens than this have rotary tables of their own (longrope), which begin in this row of each table.
 * Infinity for models whose tables do not depend on the length.
 */
export function longFrom({ rope }: ModelSpec): number {
  const lengths = Object.values(rope).map(({ scaling }) =>
    scaling.type === "longrope" ? scaling.originalMaxPositions : Infinity,
  );
  return Math.min(Infinity, ...lengths);
}

/** Whether rotations change with the length of what is computed, past the model's positions: dynamic scaling. */
export function followsLength({ rope }: ModelSpec): boolean {
  return Object.values(rope).some(({ scaling }) => scaling.type === "dynamic");
}

/** Tokens past which the model cannot be computed, where that is so: learned positions, rotations that follow the length. */
export function positionLimit(spec: ModelSpec): number {
  return spec.positionTable !== undefined || followsLength(spec) ? spec.maxPositions : Infinity;
}

/** Whether the MLP multiplies an activated gate with an up projection (SwiGLU, GeGLU) or only activates (GPT-2). */
export function isGated(spec: ModelSpec): boolean {
  return spec.layers[0] !== undefined && outputs(spec.layers[0].up) === 2 * spec.mlp;
}

export function outputs(projections: readonly Projection[]): number {
  return projections.reduce((sum, projection) => sum + projection.outputs, 0);
}

/** Every linear layer except the head, in file order: what `all-linear` means. */
export function projectionsOf(spec: ModelSpec): Projection[] {
  return spec.layers.flatMap((layer) => [...layer.qkv, layer.output, ...layer.up, layer.down]);
}
