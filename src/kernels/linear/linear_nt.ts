import source from "../../../shaders/linear/linear_nt.wgsl?raw";
import tiledSource from "../../../shaders/linear/linear_nt_tiled.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import type { KernelProfile } from "../profile.ts";
import {
  LINEAR_CONSTS,
  LINEAR_PARAMS,
  LINEAR_READS,
  LINEAR_WRITES,
  type LinearArgs,
  type LinearOptions,
  recordLinear,
} from "./linear.ts";

const interfaceOfBoth = {
  reads: LINEAR_READS,
  writes: LINEAR_WRITES,
  params: LINEAR_PARAMS,
  step: true,
  consts: LINEAR_CONSTS,
} as const;
const kernels = {
  plain: defineKernel({ name: "linear_nt", source, ...interfaceOfBoth }),
  tiled: defineKernel({ name: "linear_nt_tiled", source: tiledSource, ...interfaceOfBoth }),
};

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
