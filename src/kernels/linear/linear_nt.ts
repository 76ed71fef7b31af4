import source from "../../../shaders/linear/linear_nt.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import type { KernelProfile } from "../profile.ts";
import {
  LINEAR_PARAMS,
  LINEAR_READS,
  LINEAR_WRITES,
  type LinearArgs,
  type LinearOptions,
  recordLinear,
} from "./linear.ts";

export const linearNtKernel = defineKernel({
  name: "linear_nt",
  source,
  reads: LINEAR_READS,
  writes: LINEAR_WRITES,
  params: LINEAR_PARAMS,
  step: true,
  consts: { FORMAT: [0, 1, 2, 3], LORA: [0, 1, 2], ROWS: [0, 1, 2] },
});

const TILE = { rows: 32, columns: 32 };

/**
 * Records y = x W' with bias, residual and low-rank term. Math and shapes: shaders/linear/linear_nt.wgsl.
 * A row's bits depend neither on the number of rows nor on the other rows.
 */
export function linearNt(
  recorder: Recorder,
  _profile: KernelProfile,
  args: LinearArgs,
  options: LinearOptions,
): void {
  const { rows: outputs, cols: sum } = args.weight;
  recordLinear(recorder, linearNtKernel, TILE, args, options, { sum, outputs }, {});
}
