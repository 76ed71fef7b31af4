import type { Tensor } from "../gpu/tensor.ts";
import { addTensors } from "../kernels/elementwise/add.ts";
import type { GatedUnit } from "../kernels/linear/linear.ts";
import type { ModelContext } from "./context.ts";
import { type GroupActs, groupBackward, groupForward } from "./linear_group.ts";
import type { LoraGroup } from "./lora.ts";
import { type NormActs, normBackward, normForward } from "./norm.ts";
import type { GroupWeights, NormWeights } from "./weights.ts";

/** The end of a branch of a block: its last linear, a norm where the model has one there (Gemma), the residual addition. */
export interface BranchEnd {
  readonly label: string;
  readonly group: GroupWeights;
  readonly lora: LoraGroup | undefined;
  readonly norm: NormWeights | undefined;
}

export interface BranchActs {
  readonly u: GroupActs;
  /** (N, C) what the norm read; undefined without a norm. */
  readonly raw: Tensor | undefined;
  readonly norm: NormActs | undefined;
  /** (N, C) */
  readonly y: Tensor;
}

/** y = residual + norm(linear(x)). x (N, in), residual and y (N, C). */
export function closeBranch(
  context: ModelContext,
  { x, residual }: { readonly x: Tensor; readonly residual: Tensor },
  { label, group, lora, norm }: BranchEnd,
): BranchActs {
  const { recorder, capacity, spec } = context;
  const shape = [capacity.N, spec.hidden];
  const y = recorder.alloc(`${label}.y`, shape);
  if (!norm)
    return { y, u: groupForward(context, { x, y, residual }, group, lora), raw: undefined, norm: undefined };
  const raw = recorder.alloc(`${label}.raw`, shape);
  const u = groupForward(context, { x, y: raw }, group, lora);
  const normed = normForward(context, raw, norm, "N", `${label}.norm`);
  addTensors(recorder, { a: residual, b: normed.y, y });
  return { y, u, raw, norm: normed };
}

/** closeBranch from the last line to the first: dx for the gradient d of y; the residual's gradient is d itself. */
export function closeBranchBackward(
  context: ModelContext,
  acts: BranchActs,
  {
    x,
    d,
    dx,
    glu,
  }: { readonly x: Tensor; readonly d: Tensor; readonly dx: Tensor; readonly glu?: GatedUnit },
  { label, group, lora, norm }: BranchEnd,
): void {
  let dy = d;
  if (norm && acts.norm && acts.raw) {
    dy = context.recorder.alloc(`${label}.d_raw`, acts.raw.shape);
    normBackward(context, { x: acts.raw, dy: d, dx: dy }, norm, acts.norm, "N", false);
  }
  groupBackward(context, { x, dy, dx, ...(glu && { glu }) }, group, lora, acts.u);
}
