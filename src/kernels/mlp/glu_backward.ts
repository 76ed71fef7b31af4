import source from "../../../shaders/mlp/glu_backward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import type { GluOptions } from "./glu_forward.ts";

export const gluBackwardKernel = defineKernel({
  name: "glu_backward",
  source,
  reads: [],
  writes: ["gateUp", "dh", "dGateUp"],
  params: { F: "u32" },
  step: true,
  consts: { ACT: [0, 1] },
});

/** Records dGateUp = the gradient through act(gate) * up. Math and shapes: shaders/mlp/glu_backward.wgsl. */
export function gluBackward(
  recorder: Recorder,
  args: Record<"gateUp" | "dh" | "dGateUp", Tensor>,
  { act }: GluOptions,
): void {
  const [capacity = 0, F = 0] = args.dh.shape;
  expectShape("glu_backward", args.gateUp, [capacity, 2 * F]);
  expectShape("glu_backward", args.dGateUp, [capacity, 2 * F]);
  recorder.run(
    gluBackwardKernel,
    args,
    { F },
    flatGrid((step) => Math.ceil((step.N * F) / 256)),
    { consts: { ACT: act === "silu" ? 0 : 1 } },
  );
}
