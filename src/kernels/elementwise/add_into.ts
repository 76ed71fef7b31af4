import source from "../../../shaders/elementwise/add_into.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, numel, type Tensor } from "../../gpu/tensor.ts";

export const addIntoKernel = defineKernel({
  name: "add_into",
  source,
  reads: [],
  writes: ["d", "dx"],
  params: { C: "u32" },
  step: true,
});

/** Records dx += d over N tokens. Math and shapes: shaders/elementwise/add_into.wgsl. */
export function addInto(recorder: Recorder, args: Record<"d" | "dx", Tensor>): void {
  const [capacity = 0, ...rest] = args.dx.shape;
  const C = numel(rest);
  expectShape("add_into", args.d, [capacity, ...rest]);
  recorder.run(
    addIntoKernel,
    args,
    { C },
    flatGrid((step) => Math.ceil((step.N * C) / 256)),
  );
}
