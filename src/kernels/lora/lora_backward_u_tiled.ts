import source from "../../../shaders/lora/lora_backward_u_tiled.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { LORA_BACKWARD_U_PARAMS } from "./params.ts";

/** lora_backward_u with workgroup memory: loraBackwardU chooses it for adapters that are not CPUs. */
export const loraBackwardUTiledKernel = defineKernel({
  name: "lora_backward_u_tiled",
  source,
  reads: ["b"],
  writes: ["dy", "du"],
  params: LORA_BACKWARD_U_PARAMS,
  step: true,
  consts: { ROWS: [0, 1, 2] },
});
