import type { Tensor } from "../gpu/tensor.ts";
import { linearNt } from "../kernels/linear/linear_nt.ts";
import type { ModelContext } from "./context.ts";
import { embed } from "./decoder.ts";
import { blockForward } from "./decoder_block.ts";
import { normForward } from "./norm.ts";

/** The logits of one row shard of the vocabulary, kept for reading: (N, columns), words from `firstColumn` on. */
export interface LogitsPart {
  readonly tensor: Tensor;
  readonly firstColumn: number;
  readonly columns: number;
}

/** All logits of all tokens, before any softcap. For checks on small models; training never holds them. */
export function recordLogits(context: ModelContext): LogitsPart[] {
  const { recorder, profile, spec, weights, capacity } = context;
  let x = embed(context);
  spec.layers.forEach((_, layer) => {
    x = blockForward(context, layer, x).y;
  });
  const { y: hidden } = normForward(context, x, weights.finalNorm, "N", "finalNorm");
  return weights.head.map(({ weight, firstRow }) => {
    const tensor = recorder.keep(recorder.alloc("logits", [capacity.N, weight.rows]));
    linearNt(recorder, profile, { x: hidden, y: tensor, weight }, { rows: "N" });
    return { tensor, firstColumn: firstRow, columns: weight.rows };
  });
}
