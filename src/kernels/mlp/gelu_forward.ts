import source from "../../../shaders/mlp/gelu_forward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, numel, type Tensor } from "../../gpu/tensor.ts";

export const geluForwardKernel = defineKernel({
  name: "gelu_forward",
  source,
  reads: [],
  writes: ["x", "y"],
  params: { C: "u32" },
  step: true,
});

/** Records y = gelu_tanh(x). Math and shapes: shaders/mlp/gelu_forward.wgsl. */
export function geluForward(recorder: Recorder, args: Record<"x" | "y", Tensor>): void {
  const [capacity = 0, ...rest] = args.x.shape;
  const C = numel(rest);
  expectShape("gelu_forward", args.y, [capacity, ...rest]);
  recorder.run(
    geluForwardKernel,
    args,
    { C },
    flatGrid((step) => Math.ceil((step.N * C) / 256)),
  );
}
