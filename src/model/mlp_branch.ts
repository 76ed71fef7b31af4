import type { Tensor } from "../gpu/tensor.ts";
import { geluBackward } from "../kernels/mlp/gelu_backward.ts";
import { geluForward } from "../kernels/mlp/gelu_forward.ts";
import { gluForward } from "../kernels/mlp/glu_forward.ts";
import { type BranchActs, type BranchEnd, closeBranch, closeBranchBackward } from "./branch.ts";
import { layerOf, type ModelContext } from "./context.ts";
import { type GroupActs, groupBackward, groupForward } from "./linear_group.ts";
import { type NormActs, normBackward, normForward } from "./norm.ts";
import { isGated } from "./spec.ts";

export interface MlpActs {
  readonly norm: NormActs;
  /** (N, 2F) gate and up, or (N, F) */
  readonly up: Tensor;
  readonly u: GroupActs;
  /** (N, F) */
  readonly activated: Tensor;
  readonly end: BranchActs;
}

function endOf(context: ModelContext, layer: number): BranchEnd {
  const { weights, adapter } = layerOf(context, layer);
  return { label: `layer${layer}.mlp`, group: weights.down, lora: adapter?.down, norm: weights.postMlpNorm };
}

/** y = x + down(act(gate(n)) up(n)) with n = norm(x); without a gate down(act(up(n))). x, y (N, C). */
export function mlpBranch(context: ModelContext, layer: number, x: Tensor): MlpActs {
  const { recorder, spec, capacity } = context;
  const { weights, adapter } = layerOf(context, layer);
  const gated = isGated(spec);
  const norm = normForward(context, x, weights.mlpNorm, "N", `layer${layer}.mlpNorm`);
  const up = recorder.alloc(`layer${layer}.up`, [capacity.N, gated ? 2 * spec.mlp : spec.mlp]);
  const u = groupForward(context, { x: norm.y, y: up }, weights.up, adapter?.up);
  const activated = recorder.alloc(`layer${layer}.activated`, [capacity.N, spec.mlp]);
  if (gated) gluForward(recorder, { gateUp: up, h: activated }, { act: spec.activation });
  else geluForward(recorder, { x: up, y: activated });
  const end = closeBranch(context, { x: activated, residual: x }, endOf(context, layer));
  return { norm, up, u, activated, end };
}

/** mlpBranch from the last line to the first. d (N, C) holds the gradient of y on entry and of x on return. */
export function mlpBranchBackward(
  context: ModelContext,
  layer: number,
  { x, acts, d }: { readonly x: Tensor; readonly acts: MlpActs; readonly d: Tensor },
): void {
  const { recorder, spec } = context;
  const { weights, adapter } = layerOf(context, layer);
  const { norm, up, u, activated } = acts;
  const dUp = recorder.alloc(`layer${layer}.d_up`, up.shape);
  const end = endOf(context, layer);
  if (isGated(spec)) {
    const glu = { gateUp: up, act: spec.activation };
    closeBranchBackward(context, acts.end, { x: activated, d, dx: dUp, glu }, end);
  } else {
    const dActivated = recorder.alloc(`layer${layer}.d_activated`, activated.shape);
    closeBranchBackward(context, acts.end, { x: activated, d, dx: dActivated }, end);
    geluBackward(recorder, { x: up, dy: dActivated, dx: dUp });
  }
  const dNorm = recorder.alloc(`layer${layer}.d_mlpNorm`, norm.y.shape);
  groupBackward(context, { x: norm.y, dy: dUp, dx: dNorm }, weights.up, adapter?.up, u);
  normBackward(context, { x, dy: dNorm, dx: d }, weights.mlpNorm, norm, "N", true);
}
