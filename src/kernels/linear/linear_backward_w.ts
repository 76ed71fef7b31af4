import source from "../../../shaders/linear/linear_backward_w.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import type { StepValues } from "../../gpu/step.ts";
import type { Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { KernelProfile } from "../profile.ts";
import { ROW_COUNTS, rowLength } from "./linear.ts";
import { linearBackwardWTiledKernel } from "./linear_backward_w_tiled.ts";

export const linearBackwardWKernel = defineKernel({
  name: "linear_backward_w",
  source,
  reads: [],
  writes: ["x", "dy", "dw"],
  params: { M: "u32", K: "u32", dyColumn: "u32", ldy: "u32", xColumn: "u32", ldx: "u32", counted: "u32" },
  step: true,
});

const plain = { kernel: linearBackwardWKernel, tile: { rows: 32, columns: 32 } };
const tiled = { kernel: linearBackwardWTiledKernel, tile: { rows: 64, columns: 64 } };

export interface LinearBackwardWOptions {
  /** Which count of `Step` the rows follow. */
  readonly rows: "N" | "M" | "R";
  readonly dyColumn?: number;
  readonly xColumn?: number;
}

/**
 * Records dw (M, K) += dy' x, of M columns of dy from dyColumn and K columns of x from xColumn. For a Conv1D exchange
 * x and dy. Math and shapes: shaders/linear/linear_backward_w.wgsl.
 */
export function linearBackwardW(
  recorder: Recorder,
  { kind }: KernelProfile,
  { x, dy, dw }: Record<"x" | "dy" | "dw", Tensor>,
  { rows, dyColumn = 0, xColumn = 0 }: LinearBackwardWOptions,
): void {
  const M = dw.shape[0] ?? 0;
  const K = rowLength(dw);
  const [ldx, ldy] = [rowLength(x), rowLength(dy)];
  invariant(dyColumn + M <= ldy, `linear_backward_w: ${dy.label} has fewer than ${dyColumn + M} columns`);
  invariant(xColumn + K <= ldx, `linear_backward_w: ${x.label} has fewer than ${xColumn + K} columns`);
  const isAligned = [M, K, ldx, ldy, dyColumn, xColumn].every((n) => n % 4 === 0);
  const { kernel, tile } = kind === "gpu" && isAligned ? tiled : plain;
  const grid = [Math.ceil(K / tile.columns), Math.ceil(M / tile.rows)] as const;
  recorder.run(
    kernel,
    { x, dy, dw },
    { M, K, dyColumn, ldy, xColumn, ldx, counted: ROW_COUNTS[rows] },
    (step) => (step[rows] === 0 ? [0] : grid),
    { flops: (step: StepValues) => 2 * step[rows] * M * K },
  );
}
