import source from "../../../shaders/norm/layernorm_forward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const layernormForwardKernel = defineKernel({
  name: "layernorm_forward",
  source,
  reads: ["weight", "bias"],
  writes: ["x", "y", "stats"],
  params: { C: "u32", eps: "f32" },
  step: true,
  consts: { THREADS: [64, 1], ROWS: [0, 1] },
});

export interface LayernormOptions {
  readonly eps: number;
  /** Which count of `Step` the rows follow. */
  readonly rows: "N" | "M";
  readonly threads: number;
}

/** Records y = layernorm(x); stats (capacity, 2) keeps mean and rstd. Math: shaders/norm/layernorm_forward.wgsl. */
export function layernormForward(
  recorder: Recorder,
  args: Record<"x" | "y" | "stats" | "weight" | "bias", Tensor>,
  { eps, rows, threads }: LayernormOptions,
): void {
  const [capacity = 0, C = 0] = args.x.shape;
  expectShape("layernorm_forward", args.y, [capacity, C]);
  expectShape("layernorm_forward", args.weight, [C]);
  expectShape("layernorm_forward", args.bias, [C]);
  expectShape("layernorm_forward", args.stats, [capacity, 2]);
  recorder.run(
    layernormForwardKernel,
    args,
    { C, eps },
    flatGrid((step) => Math.ceil(step[rows] / (threads === 1 ? 16 : 1))),
    { consts: { THREADS: threads, ROWS: rows === "M" ? 1 : 0 } },
  );
}
