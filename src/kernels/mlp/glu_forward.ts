import source from "../../../shaders/mlp/glu_forward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const gluForwardKernel = defineKernel({
  name: "glu_forward",
  source,
  reads: [],
  writes: ["gateUp", "h"],
  params: { F: "u32" },
  step: true,
  consts: { ACT: [0, 1] },
});

export interface GluOptions {
  readonly act: "silu" | "gelu_tanh";
}

/** Records h = act(gate) * up. Math and shapes: shaders/mlp/glu_forward.wgsl. */
export function gluForward(
  recorder: Recorder,
  args: Record<"gateUp" | "h", Tensor>,
  { act }: GluOptions,
): void {
  const [capacity = 0, F = 0] = args.h.shape;
  expectShape("glu_forward", args.gateUp, [capacity, 2 * F]);
  recorder.run(
    gluForwardKernel,
    args,
    { F },
    flatGrid((step) => Math.ceil((step.N * F) / 256)),
    { consts: { ACT: act === "silu" ? 0 : 1 } },
  );
}
