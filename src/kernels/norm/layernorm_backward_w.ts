import source from "../../../shaders/norm/layernorm_backward_w.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const layernormBackwardWKernel = defineKernel({
  name: "layernorm_backward_w",
  source,
  reads: [],
  writes: ["x", "dy", "stats", "dw", "db"],
  params: { C: "u32" },
  step: true,
  consts: { ROWS: [0, 1] },
});

/** Records dw and db += the gradients of layernorm's weight and bias. Math: shaders/norm/layernorm_backward_w.wgsl. */
export function layernormBackwardW(
  recorder: Recorder,
  args: Record<"x" | "dy" | "stats" | "dw" | "db", Tensor>,
  { rows }: { readonly rows: "N" | "M" },
): void {
  const [capacity = 0, C = 0] = args.x.shape;
  expectShape("layernorm_backward_w", args.dy, [capacity, C]);
  expectShape("layernorm_backward_w", args.stats, [capacity, 2]);
  expectShape("layernorm_backward_w", args.dw, [C]);
  expectShape("layernorm_backward_w", args.db, [C]);
  const grid = (step: { N: number; M: number }) => [step[rows] === 0 ? 0 : Math.ceil(C / 64)] as const;
  recorder.run(layernormBackwardWKernel, args, { C }, grid, { consts: { ROWS: rows === "M" ? 1 : 0 } });
}
