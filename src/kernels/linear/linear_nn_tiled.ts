import source from "../../../shaders/linear/linear_nn_tiled.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { LINEAR_NN_INTERFACE } from "./linear.ts";

/** linear_nn through workgroup memory: linearNn chooses it on GPUs, for shapes of whole vectors. */
export const linearNnTiledKernel = defineKernel({ name: "linear_nn_tiled", source, ...LINEAR_NN_INTERFACE });
