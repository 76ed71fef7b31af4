import source from "../../../shaders/lora/lora_backward_ab_tiled.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { LORA_BACKWARD_AB_PARAMS } from "./params.ts";

/** lora_backward_ab with workgroup memory: loraBackwardAb chooses it for adapters that are not CPUs. */
export const loraBackwardAbTiledKernel = defineKernel({
  name: "lora_backward_ab_tiled",
  source,
  reads: [],
  writes: ["x", "dy", "u", "du", "keys", "da", "db"],
  params: LORA_BACKWARD_AB_PARAMS,
  step: true,
  consts: { ROWS: [0, 1, 2], DROPOUT: [0, 1] },
});
