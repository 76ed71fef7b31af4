import source from "../../../shaders/lora/lora_u_tiled.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { LORA_U_PARAMS } from "./params.ts";

/** lora_u with workgroup memory: loraU chooses it for adapters that are not CPUs. */
export const loraUTiledKernel = defineKernel({
  name: "lora_u_tiled",
  source,
  reads: ["a", "keys"],
  writes: ["x", "u"],
  params: LORA_U_PARAMS,
  step: true,
  consts: { ROWS: [0, 1, 2], DROPOUT: [0, 1] },
});
