import source from "../../../shaders/embedding/embedding_forward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import { WEIGHT_FORMATS, type Weight } from "../linear/weight.ts";
import type { KernelProfile } from "../profile.ts";

export const embeddingForwardKernel = defineKernel({
  name: "embedding_forward",
  source,
  reads: ["weight", "ids", "position", "positions", "keys"],
  writes: ["y"],
  params: {
    C: "u32",
    first: "u32",
    firstRow: "u32",
    rows: "u32",
    scale: "f32",
    positionFirst: "u32",
    tag: "u32",
  },
  step: true,
  consts: {
    THREADS: [64, 1],
    FORMAT: [0, 1, 2],
    POSITION: [0, 1],
    POSITION_FORMAT: [0, 1, 2],
    NOISE: [0, 1],
  },
});

/** Rows [firstRow, firstRow + weight.rows) of the table. */
export interface EmbeddingShard {
  readonly weight: Weight;
  readonly firstRow: number;
}

export interface EmbeddingForwardArgs {
  /** (capacity, C) */
  readonly y: Tensor;
  /** (capacity) u32 */
  readonly ids: Tensor;
  /** Together the whole table, each row once. */
  readonly shards: readonly EmbeddingShard[];
  /** GPT-2's learned positions, added after the scaling; `positions` is (capacity) u32. */
  readonly position?: { readonly weight: Weight; readonly positions: Tensor } | undefined;
  /** (capacity) u32, a hash of (row, position) for each token; needed with noise. */
  readonly keys?: Tensor | undefined;
}

export interface EmbeddingForwardOptions {
  /** 1, or the square root of C for Gemma. */
  readonly scale: number;
  /** Adds NEFTune's noise, of half width `Step.noise`, from this stream. */
  readonly noiseTag?: number | undefined;
}

/** Records y = the embedding of the ids, one dispatch a shard. Math and shapes: shaders/embedding/embedding_forward.wgsl. */
export function embeddingForward(
  recorder: Recorder,
  profile: KernelProfile,
  { y, ids, shards, position, keys }: EmbeddingForwardArgs,
  { scale, noiseTag }: EmbeddingForwardOptions,
): void {
  const [capacity = 0, C = 0] = y.shape;
  const noise = noiseTag !== undefined;
  invariant(!noise || keys, "embedding_forward: noise needs keys");
  for (const table of [ids, position?.positions, keys]) {
    if (table) expectShape("embedding_forward", table, [capacity]);
  }
  const [first] = shards;
  invariant(first, "embedding_forward: no shard");
  // Without positions or noise, a table that is bound anyway stands in for theirs.
  const positions = position ?? { weight: first.weight, positions: ids };
  checkTable(positions.weight, C);
  for (const { weight, firstRow } of shards) {
    checkTable(weight, C);
    recorder.run(
      embeddingForwardKernel,
      {
        weight: weight.tensor,
        ids,
        position: positions.weight.tensor,
        positions: positions.positions,
        keys: keys ?? ids,
        y,
      },
      {
        C,
        first: weight.first,
        firstRow,
        rows: weight.rows,
        scale,
        positionFirst: positions.weight.first,
        tag: noiseTag ?? 0,
      },
      flatGrid((step) => step.N),
      {
        consts: {
          THREADS: profile.rowThreads,
          FORMAT: WEIGHT_FORMATS[weight.format],
          POSITION: position ? 1 : 0,
          POSITION_FORMAT: WEIGHT_FORMATS[positions.weight.format],
          NOISE: noise ? 1 : 0,
        },
      },
    );
  }
}

function checkTable({ cols, format }: Weight, C: number): void {
  invariant(cols === C && format !== "nf4", "embedding_forward: a table of another width, or in nf4");
}
