import source from "../../../shaders/linear/linear_backward_w_tiled.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";

/** linear_backward_w through workgroup memory: linearBackwardW chooses it on GPUs, for shapes of whole vectors. */
export const linearBackwardWTiledKernel = defineKernel({
  name: "linear_backward_w_tiled",
  source,
  reads: [],
  writes: ["x", "dy", "dw"],
  params: { M: "u32", K: "u32", dyColumn: "u32", ldy: "u32", xColumn: "u32", ldx: "u32", counted: "u32" },
  step: true,
});
