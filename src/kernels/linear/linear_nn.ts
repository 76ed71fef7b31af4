import source from "../../../shaders/linear/linear_nn.wgsl?raw";
import tiledSource from "../../../shaders/linear/linear_nn_tiled.wgsl?raw";
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
  plain: defineKernel({ name: "linear_nn", source, ...interfaceOfBoth }),
  tiled: defineKernel({ name: "linear_nn_tiled", source: tiledSource, ...interfaceOfBoth }),
};

/**
 * Records y = x W with bias, residual and low-rank term. Math and shapes: shaders/linear/linear_nn.wgsl.
 * A row's bits depend neither on the number of rows nor on the other rows.
 */
export function linearNn(
  recorder: Recorder,
  profile: KernelProfile,
  args: LinearArgs,
  options: LinearOptions,
): void {
  const { cols: outputs, rows: sum } = args.weight;
  recordLinear(recorder, profile, kernels, args, options, { sum, outputs });
}
