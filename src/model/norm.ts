import type { Tensor } from "../gpu/tensor.ts";
import { layernormBackward } from "../kernels/norm/layernorm_backward.ts";
import { layernormBackwardW } from "../kernels/norm/layernorm_backward_w.ts";
import { layernormForward } from "../kernels/norm/layernorm_forward.ts";
import { rmsnormBackward } from "../kernels/norm/rmsnorm_backward.ts";
import { rmsnormBackwardW } from "../kernels/norm/rmsnorm_backward_w.ts";
import { rmsnormForward } from "../kernels/norm/rmsnorm_forward.ts";
import { invariant } from "../lib/errors.ts";
import type { ModelContext } from "./context.ts";
import type { NormWeights } from "./weights.ts";

/** Which count of `Step` the rows of x follow. */
type Rows = "N" | "M";

/** What backward needs beside x: rstd (capacity), or mean and rstd (capacity, 2). */
export interface NormActs {
  readonly y: Tensor;
  readonly stats: Tensor;
}

/** y = norm(x), RMSNorm or LayerNorm as the model has it. x, y: (capacity, C). */
export function normForward(
  { recorder, profile, spec }: ModelContext,
  x: Tensor,
  { weight, bias }: NormWeights,
  rows: Rows,
  label: string,
): NormActs {
  const [capacity = 0, C = 0] = x.shape;
  const y = recorder.alloc(label, [capacity, C]);
  const { eps, offset } = spec.norm;
  const options = { eps, offset, rows, threads: profile.rowThreads };
  if (spec.norm.kind === "rmsnorm") {
    const stats = recorder.alloc(`${label}.rstd`, [capacity]);
    rmsnormForward(recorder, { x, y, rstd: stats, weight }, options);
    return { y, stats };
  }
  invariant(bias, `${label}: a LayerNorm has a bias`);
  const stats = recorder.alloc(`${label}.stats`, [capacity, 2]);
  layernormForward(recorder, { x, y, stats, weight, bias }, options);
  return { y, stats };
}

/** dx (+)= the gradient through norm(x), and the weight's gradient where it trains. */
export function normBackward(
  { recorder, profile, spec, gradOf }: ModelContext,
  { x, dy, dx }: Readonly<Record<"x" | "dy" | "dx", Tensor>>,
  { weight, bias }: NormWeights,
  { stats }: NormActs,
  rows: Rows,
  accumulate: boolean,
): void {
  const { eps, offset } = spec.norm;
  const options = { eps, offset, rows, threads: profile.rowThreads, accumulate };
  const dw = gradOf(weight);
  if (spec.norm.kind === "rmsnorm") {
    if (dw) rmsnormBackwardW(recorder, { x, dy, rstd: stats, dw }, { rows });
    rmsnormBackward(recorder, { x, dy, rstd: stats, weight, dx }, options);
    return;
  }
  const db = bias && gradOf(bias);
  if (dw && db) layernormBackwardW(recorder, { x, dy, stats, dw, db }, { rows });
  layernormBackward(recorder, { x, dy, stats, weight, dx }, options);
}
