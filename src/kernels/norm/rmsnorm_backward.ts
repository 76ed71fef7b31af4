import source from "../../../shaders/norm/rmsnorm_backward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import type { RmsnormOptions } from "./rmsnorm_forward.ts";

export const rmsnormBackwardKernel = defineKernel({
  name: "rmsnorm_backward",
  source,
  reads: ["weight"],
  writes: ["x", "dy", "rstd", "dx"],
  params: { C: "u32", offset: "f32" },
  step: true,
  consts: { THREADS: [64, 1], ROWS: [0, 1], ACCUMULATE: [0, 1] },
});

export interface RmsnormBackwardOptions extends RmsnormOptions {
  /** Adds to dx, where the gradient of the residual stream already is. */
  readonly accumulate: boolean;
}

/** Records dx (+)= the gradient through rmsnorm(x). Math and shapes: shaders/norm/rmsnorm_backward.wgsl. */
export function rmsnormBackward(
  recorder: Recorder,
  args: Record<"x" | "dy" | "rstd" | "weight" | "dx", Tensor>,
  { offset, rows, threads, accumulate }: RmsnormBackwardOptions,
): void {
  const [capacity = 0, C = 0] = args.x.shape;
  expectShape("rmsnorm_backward", args.dy, [capacity, C]);
  expectShape("rmsnorm_backward", args.dx, [capacity, C]);
  expectShape("rmsnorm_backward", args.weight, [C]);
  expectShape("rmsnorm_backward", args.rstd, [capacity]);
  recorder.run(
    rmsnormBackwardKernel,
    args,
    { C, offset },
    flatGrid((step) => Math.ceil(step[rows] / (threads === 1 ? 16 : 1))),
    { consts: { THREADS: threads, ROWS: rows === "M" ? 1 : 0, ACCUMULATE: accumulate ? 1 : 0 } },
  );
}
