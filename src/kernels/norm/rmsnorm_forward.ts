import source from "../../../shaders/norm/rmsnorm_forward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const rmsnormForwardKernel = defineKernel({
  name: "rmsnorm_forward",
  source,
  reads: ["weight"],
  writes: ["x", "y", "rstd"],
  params: { C: "u32", eps: "f32", offset: "f32" },
  step: true,
  consts: { THREADS: [64, 1], ROWS: [0, 1] },
});

export interface RmsnormOptions {
  readonly eps: number;
  /** Added to the weight: 1 for Gemma, else 0. */
  readonly offset: number;
  /** Which count of `Step` the rows follow. */
  readonly rows: "N" | "M";
  readonly threads: number;
}

/** Records y = rmsnorm(x). Math and shapes: shaders/norm/rmsnorm_forward.wgsl. */
export function rmsnormForward(
  recorder: Recorder,
  args: Record<"x" | "y" | "rstd" | "weight", Tensor>,
  { eps, offset, rows, threads }: RmsnormOptions,
): void {
  const [capacity = 0, C = 0] = args.x.shape;
  expectShape("rmsnorm_forward", args.y, [capacity, C]);
  expectShape("rmsnorm_forward", args.weight, [C]);
  expectShape("rmsnorm_forward", args.rstd, [capacity]);
  recorder.run(
    rmsnormForwardKernel,
    args,
    { C, eps, offset },
    flatGrid((step) => Math.ceil(step[rows] / (threads === 1 ? 16 : 1))),
    {
      consts: { THREADS: threads, ROWS: rows === "M" ? 1 : 0 },
    },
  );
}
