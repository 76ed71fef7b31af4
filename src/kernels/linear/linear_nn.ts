import source from "../../../shaders/linear/linear_nn.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import type { KernelProfile } from "../profile.ts";
import {
  type GatedUnit,
  LINEAR_NN_INTERFACE,
  type LinearArgs,
  type LinearOptions,
  recordLinear,
} from "./linear.ts";
import { linearNnTiledKernel } from "./linear_nn_tiled.ts";

export const linearNnKernel = defineKernel({ name: "linear_nn", source, ...LINEAR_NN_INTERFACE });

const kernels = { plain: linearNnKernel, tiled: linearNnTiledKernel };

/**
 * Records y = x W with bias, residual and low-rank term, or what that product gives behind a gated unit. Math and shapes: shaders/linear/linear_nn.wgsl.
 * A row's bits depend neither on the number of rows nor on the other rows.
 */
export function linearNn(
  recorder: Recorder,
  profile: KernelProfile,
  args: LinearArgs & { readonly glu?: GatedUnit },
  options: LinearOptions,
): void {
  const { cols: outputs, rows: sum } = args.weight;
  recordLinear(recorder, profile, kernels, args, options, { sum, outputs });
}
