import type { Tensor } from "../gpu/tensor.ts";
import { type AttentionActs, attentionBranch, attentionBranchBackward } from "./attention_branch.ts";
import type { ModelContext } from "./context.ts";
import { type MlpActs, mlpBranch, mlpBranchBackward } from "./mlp_branch.ts";

/** What the block's forward leaves for its backward. */
export interface BlockActs {
  /** (N, C) the block's input */
  readonly x: Tensor;
  readonly attention: AttentionActs;
  readonly mlp: MlpActs;
  /** (N, C) the block's output */
  readonly y: Tensor;
}

/** x + attention(norm(x)), then + mlp(norm(.)): one decoder block over packed rows. x: (N, C). */
export function blockForward(context: ModelContext, layer: number, x: Tensor): BlockActs {
  const attention = attentionBranch(context, layer, x);
  const mlp = mlpBranch(context, layer, attention.end.y);
  return { x, attention, mlp, y: mlp.end.y };
}

/**
 * blockForward from the last line to the first. d (N, C) holds dloss/dy on entry and dloss/dx on return: the residual
 * stream's gradient flows through it in place. With `last` set nothing below trains, and d is left unfinished.
 */
export function blockBackward(
  context: ModelContext,
  layer: number,
  { x, attention, mlp }: BlockActs,
  d: Tensor,
  last: boolean,
): void {
  mlpBranchBackward(context, layer, { x: attention.end.y, acts: mlp, d });
  attentionBranchBackward(context, layer, { x, acts: attention, d, last });
}
