import source from "../../../shaders/elementwise/take_column.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const takeColumnKernel = defineKernel({
  name: "take_column",
  source,
  reads: [],
  writes: ["x", "y"],
  params: { C: "u32", column: "u32" },
  step: true,
});

/** Records y[m] = x[m, column] for the M tokens of the loss. Shapes: shaders/elementwise/take_column.wgsl. */
export function takeColumn(recorder: Recorder, args: Record<"x" | "y", Tensor>, column: number): void {
  const [capacity = 0, C = 1] = args.x.shape;
  expectShape("take_column", args.y, [capacity]);
  recorder.run(takeColumnKernel, args, { C, column }, (step) => [Math.ceil(step.M / 64)]);
}
