import source from "../../../shaders/linear/linear_nt.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import type { KernelProfile } from "../profile.ts";
import { LINEAR_INTERFACE, type LinearArgs, type LinearOptions, recordLinear } from "./linear.ts";
import { linearNtTiledKernel } from "./linear_nt_tiled.ts";

export const linearNtKernel = defineKernel({ name: "linear_nt", source, ...LINEAR_INTERFACE });

const kernels = { plain: linearNtKernel, tiled: linearNtTiledKernel };

/**
 * Records y = x W' with bias, residual and low-rank term. Math and shapes: shaders/linear/linear_nt.wgsl.
 * A row's bits depend neither on the number of rows nor on the other rows.
 */
export function linearNt(
  recorder: Recorder,
  profile: KernelProfile,
  args: LinearArgs,
  options: LinearOptions,
): void {
  const { rows: outputs, cols: sum } = args.weight;
  recordLinear(recorder, profile, kernels, args, options, { sum, outputs });
}
