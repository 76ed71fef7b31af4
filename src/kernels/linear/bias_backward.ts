import source from "../../../shaders/linear/bias_backward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { numel, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { KernelProfile } from "../profile.ts";
import { ROW_COUNTS, rowLength } from "./linear.ts";

export const biasBackwardKernel = defineKernel({
  name: "bias_backward",
  source,
  reads: [],
  writes: ["dy", "db"],
  params: { M: "u32", dyColumn: "u32", ldy: "u32", counted: "u32" },
  step: true,
  consts: { LANES: [16, 1] },
});

export interface BiasBackwardOptions {
  /** Which count of `Step` the rows follow. */
  readonly rows: "N" | "M" | "R";
  readonly dyColumn?: number;
}

/** Records db += the sums of the columns of dy from dyColumn. Math: shaders/linear/bias_backward.wgsl. */
export function biasBackward(
  recorder: Recorder,
  { kind }: KernelProfile,
  { dy, db }: Record<"dy" | "db", Tensor>,
  { rows, dyColumn = 0 }: BiasBackwardOptions,
): void {
  const M = numel(db.shape);
  const ldy = rowLength(dy);
  invariant(dyColumn + M <= ldy, `bias_backward: ${dy.label} has fewer than ${dyColumn + M} columns`);
  recorder.run(
    biasBackwardKernel,
    { dy, db },
    { M, dyColumn, ldy, counted: ROW_COUNTS[rows] },
    (step) => [step[rows] === 0 ? 0 : Math.ceil(M / 16)],
    { consts: { LANES: kind === "cpu" ? 1 : 16 } },
  );
}
