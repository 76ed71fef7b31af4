import source from "../../../shaders/linear/linear_nt_tiled.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { LINEAR_INTERFACE } from "./linear.ts";

/** linear_nt through workgroup memory: linearNt chooses it on GPUs, for shapes of whole vectors. */
export const linearNtTiledKernel = defineKernel({ name: "linear_nt_tiled", source, ...LINEAR_INTERFACE });
