import source from "../../../shaders/norm/rmsnorm_backward_w.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const rmsnormBackwardWKernel = defineKernel({
  name: "rmsnorm_backward_w",
  source,
  reads: [],
  writes: ["x", "dy", "rstd", "dw"],
  params: { C: "u32" },
  step: true,
  consts: { ROWS: [0, 1] },
});

/** Records dw += the gradient of rmsnorm's weight. Math and shapes: shaders/norm/rmsnorm_backward_w.wgsl. */
export function rmsnormBackwardW(
  recorder: Recorder,
  args: Record<"x" | "dy" | "rstd" | "dw", Tensor>,
  { rows }: { readonly rows: "N" | "M" },
): void {
  const [capacity = 0, C = 0] = args.x.shape;
  expectShape("rmsnorm_backward_w", args.dy, [capacity, C]);
  expectShape("rmsnorm_backward_w", args.rstd, [capacity]);
  expectShape("rmsnorm_backward_w", args.dw, [C]);
  const grid = (step: { N: number; M: number }) => [step[rows] === 0 ? 0 : Math.ceil(C / 64)] as const;
  recorder.run(rmsnormBackwardWKernel, args, { C }, grid, { consts: { ROWS: rows === "M" ? 1 : 0 } });
}
