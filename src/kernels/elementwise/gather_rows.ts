import source from "../../../shaders/elementwise/gather_rows.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, numel, type Tensor } from "../../gpu/tensor.ts";

export const gatherRowsKernel = defineKernel({
  name: "gather_rows",
  source,
  reads: ["index"],
  writes: ["x", "y"],
  params: { C: "u32" },
  step: true,
});

/** Records y[m] = x[index[m]] for the M tokens of the loss. Math and shapes: shaders/elementwise/gather_rows.wgsl. */
export function gatherRows(recorder: Recorder, args: Record<"x" | "y" | "index", Tensor>): void {
  const [capacity = 0, ...rest] = args.y.shape;
  const C = numel(rest);
  expectShape("gather_rows", args.x, [args.x.shape[0] ?? 0, ...rest]);
  expectShape("gather_rows", args.index, [capacity]);
  recorder.run(
    gatherRowsKernel,
    args,
    { C },
    flatGrid((step) => Math.ceil((step.M * C) / 256)),
  );
}
