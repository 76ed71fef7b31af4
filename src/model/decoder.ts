import type { Tensor } from "../gpu/tensor.ts";
import { gatherRows } from "../kernels/elementwise/gather_rows.ts";
import { scatterRows } from "../kernels/elementwise/scatter_rows.ts";
import { embeddingBackward } from "../kernels/embedding/embedding_backward.ts";
import { embeddingForward } from "../kernels/embedding/embedding_forward.ts";
import type { ModelContext } from "./context.ts";
import { type BlockActs, blockBackward, blockForward } from "./decoder_block.ts";
import { type NormActs, normBackward, normForward } from "./norm.ts";

/** Seeds NEFTune's noise apart from every adapter's dropout. */
const NOISE_TAG = 0x4e46;

export interface DecoderActs {
  /** Per layer, all that backward needs; with rematerialisation only the input, from which it is made again. */
  readonly blocks: readonly (BlockActs | { readonly x: Tensor })[];
  /** (M, C) the last block's output at the tokens that the loss reads */
  readonly gathered: Tensor;
  readonly finalNorm: NormActs;
}

/** Token ids to normed hidden states (M, C) at the tokens that the loss reads. */
export function decoderForward(context: ModelContext, rematerialize: boolean): DecoderActs {
  const { recorder, spec, tables, weights, capacity } = context;
  let x = embed(context);
  const blocks: (BlockActs | { x: Tensor })[] = [];
  spec.layers.forEach((_, layer) => {
    const acts = blockForward(context, layer, x);
    blocks.push(rematerialize ? { x } : acts);
    x = acts.y;
  });
  const gathered = recorder.alloc("gathered", [capacity.M, spec.hidden]);
  gatherRows(recorder, { x, y: gathered, index: tables.lossIndex });
  const finalNorm = normForward(context, gathered, weights.finalNorm, "M", "finalNorm");
  return { blocks, gathered, finalNorm };
}

/** x (N, C) = the scaled embedding of the ids, with learned positions where the model has them. */
export function embed({ recorder, profile, spec, tables, weights, capacity, noisy }: ModelContext): Tensor {
  const x = recorder.alloc("embedded", [capacity.N, spec.hidden]);
  const position = weights.positionTable && { weight: weights.positionTable, positions: tables.positions };
  embeddingForward(
    recorder,
    profile,
    { y: x, ids: tables.ids, shards: weights.embedding, position, keys: tables.keys },
    { scale: spec.embeddingScale, noiseTag: noisy ? NOISE_TAG : undefined },
  );
  return x;
}

/** decoderForward from the last line to the first, for dHidden (M, C), the gradient of the normed hidden states. */
export function decoderBackward(context: ModelContext, acts: DecoderActs, dHidden: Tensor): void {
  const { recorder, spec, tables, weights, capacity, gradOf } = context;
  const dGathered = recorder.alloc("d_gathered", [capacity.M, spec.hidden]);
  const args = { x: acts.gathered, dy: dHidden, dx: dGathered };
  normBackward(context, args, weights.finalNorm, acts.finalNorm, "M", false);
  const d = recorder.alloc("d_stream", [capacity.N, spec.hidden]);
  scatterRows(recorder, { dy: dGathered, dx: d, inverse: tables.inverse });
  const trainsEmbedding = weights.embedding.some(({ weight }) => gradOf(weight.tensor));
  for (let layer = spec.layers.length - 1; layer >= 0; layer--) {
    const kept = acts.blocks[layer];
    if (!kept) throw new Error(`no activations of layer ${layer}`);
    const block = "y" in kept ? kept : blockForward(context, layer, kept.x);
    blockBackward(context, layer, block, d, layer === 0 && !trainsEmbedding);
  }
  if (trainsEmbedding) embedBackward(context, d);
}

function embedBackward({ recorder, profile, spec, tables, weights, gradOf }: ModelContext, d: Tensor): void {
  for (const { weight, firstRow } of weights.embedding) {
    const dw = gradOf(weight.tensor);
    if (!dw) continue;
    const { unique, starts, order } = tables;
    const options = { scale: spec.embeddingScale, firstRow, rows: weight.rows, count: "U" } as const;
    embeddingBackward(recorder, profile, { dx: d, dw, unique, starts, order }, options);
  }
  const table = weights.positionTable;
  const dw = table && gradOf(table.tensor);
  if (!dw) return;
  const { uniquePositions: unique, positionStarts: starts, positionOrder: order } = tables;
  const options = { scale: 1, firstRow: 0, rows: table.rows, count: "spare" } as const;
  embeddingBackward(recorder, profile, { dx: d, dw, unique, starts, order }, options);
}
