import source from "../../../shaders/mlp/gelu_backward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, numel, type Tensor } from "../../gpu/tensor.ts";

export const geluBackwardKernel = defineKernel({
  name: "gelu_backward",
  source,
  reads: [],
  writes: ["x", "dy", "dx"],
  params: { C: "u32" },
  step: true,
});

/** Records dx = the gradient through gelu_tanh(x). Math and shapes: shaders/mlp/gelu_backward.wgsl. */
export function geluBackward(recorder: Recorder, args: Record<"x" | "dy" | "dx", Tensor>): void {
  const [capacity = 0, ...rest] = args.x.shape;
  const C = numel(rest);
  expectShape("gelu_backward", args.dy, [capacity, ...rest]);
  expectShape("gelu_backward", args.dx, [capacity, ...rest]);
  recorder.run(
    geluBackwardKernel,
    args,
    { C },
    flatGrid((step) => Math.ceil((step.N * C) / 256)),
  );
}
