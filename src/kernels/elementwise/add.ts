import source from "../../../shaders/elementwise/add.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, numel, type Tensor } from "../../gpu/tensor.ts";

export const addKernel = defineKernel({
  name: "add",
  source,
  reads: [],
  writes: ["a", "b", "y"],
  params: { C: "u32" },
  step: true,
});

/** Records y = a + b over N tokens; y is neither a nor b (for that, `addInto`). Math and shapes: shaders/elementwise/add.wgsl. */
export function addTensors(recorder: Recorder, args: Record<"a" | "b" | "y", Tensor>): void {
  const [capacity = 0, ...rest] = args.a.shape;
  const C = numel(rest);
  expectShape("add", args.b, [capacity, ...rest]);
  expectShape("add", args.y, [capacity, ...rest]);
  recorder.run(
    addKernel,
    args,
    { C },
    flatGrid((step) => Math.ceil((step.N * C) / 256)),
  );
}
