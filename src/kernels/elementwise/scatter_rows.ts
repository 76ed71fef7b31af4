import source from "../../../shaders/elementwise/scatter_rows.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, numel, type Tensor } from "../../gpu/tensor.ts";

export const scatterRowsKernel = defineKernel({
  name: "scatter_rows",
  source,
  reads: ["inverse"],
  writes: ["dy", "dx"],
  params: { C: "u32" },
  step: true,
});

/** Records dx[n] = dy[inverse[n]], or 0 where inverse[n] is 0xffffffff. Math and shapes: shaders/elementwise/scatter_rows.wgsl. */
export function scatterRows(recorder: Recorder, args: Record<"dy" | "dx" | "inverse", Tensor>): void {
  const [capacity = 0, ...rest] = args.dx.shape;
  const C = numel(rest);
  expectShape("scatter_rows", args.dy, [args.dy.shape[0] ?? 0, ...rest]);
  expectShape("scatter_rows", args.inverse, [capacity]);
  recorder.run(
    scatterRowsKernel,
    args,
    { C },
    flatGrid((step) => Math.ceil((step.N * C) / 256)),
  );
}
