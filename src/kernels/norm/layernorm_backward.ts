import source from "../../../shaders/norm/layernorm_backward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const layernormBackwardKernel = defineKernel({
  name: "layernorm_backward",
  source,
  reads: ["weight"],
  writes: ["x", "dy", "stats", "dx"],
  params: { C: "u32" },
  step: true,
  consts: { THREADS: [64, 1], ROWS: [0, 1], ACCUMULATE: [0, 1] },
});

export interface LayernormBackwardOptions {
  /** Which count of `Step` the rows follow. */
  readonly rows: "N" | "M";
  readonly threads: number;
  /** Adds to dx, where the gradient of the residual stream already is. */
  readonly accumulate: boolean;
}

/** Records dx (+)= the gradient through layernorm(x). Math and shapes: shaders/norm/layernorm_backward.wgsl. */
export function layernormBackward(
  recorder: Recorder,
  args: Record<"x" | "dy" | "stats" | "weight" | "dx", Tensor>,
  { rows, threads, accumulate }: LayernormBackwardOptions,
): void {
  const [capacity = 0, C = 0] = args.x.shape;
  expectShape("layernorm_backward", args.dy, [capacity, C]);
  expectShape("layernorm_backward", args.dx, [capacity, C]);
  expectShape("layernorm_backward", args.weight, [C]);
  expectShape("layernorm_backward", args.stats, [capacity, 2]);
  recorder.run(
    layernormBackwardKernel,
    args,
    { C },
    flatGrid((step) => Math.ceil(step[rows] / (threads === 1 ? 16 : 1))),
    { consts: { THREADS: threads, ROWS: rows === "M" ? 1 : 0, ACCUMULATE: accumulate ? 1 : 0 } },
  );
}
