import source from "../../../shaders/lora/lora_backward_u.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { LoraSegment } from "../linear/weight.ts";
import type { KernelProfile } from "../profile.ts";
import { loraBackwardUTiledKernel } from "./lora_backward_u_tiled.ts";
import { LORA_BACKWARD_U_PARAMS, type LoraRows, ROWS } from "./params.ts";
import { segmentParams } from "./segments.ts";

export const loraBackwardUKernel = defineKernel({
  name: "lora_backward_u",
  source,
  reads: ["b"],
  writes: ["dy", "du"],
  params: LORA_BACKWARD_U_PARAMS,
  step: true,
  consts: { ROWS: [0, 1, 2] },
});

export interface LoraBackwardUOptions {
  readonly rank: number;
  readonly scale: number;
  /** At most three; columns of du that no segment owns are left alone. */
  readonly segments: readonly LoraSegment[];
  /** Which count of `Step` the rows follow. */
  readonly rows: LoraRows;
}

/**
 * Records du = scale * dy b, segment by segment. dy (capacity, ldy), du (capacity, total rank), b (rows of B, rank).
 * Math and shapes: shaders/lora/lora_backward_u.wgsl.
 */
export function loraBackwardU(
  recorder: Recorder,
  profile: KernelProfile,
  { dy, du, b }: Record<"dy" | "du" | "b", Tensor>,
  { rank, scale, segments, rows }: LoraBackwardUOptions,
): void {
  const [capacity = 0, ldy = 0] = dy.shape;
  const [rowsB = 0] = b.shape;
  const [, ru = 0] = du.shape;
  expectShape("lora_backward_u", b, [rowsB, rank]);
  expectShape("lora_backward_u", du, [capacity, ru]);
  for (const { begin, end, u, row } of segments) {
    invariant(
      end <= ldy && u + rank <= ru && row + end - begin <= rowsB,
      "lora_backward_u: a segment is out of range",
    );
  }
  const tiled = profile.kind === "gpu";
  const tiles = Math.ceil(rank / (tiled ? 16 : 4)) * segments.length;
  const columns = segments.reduce((sum, { begin, end }) => sum + end - begin, 0);
  recorder.run(
    tiled ? loraBackwardUTiledKernel : loraBackwardUKernel,
    { dy, du, b },
    { ldy, ru, rank, scale, ...segmentParams("lora_backward_u", segments, rank) },
    flatGrid((step) =>
      tiled ? Math.ceil(step[rows] / 16) * tiles : Math.ceil((Math.ceil(step[rows] / 4) * tiles) / 16),
    ),
    { consts: { ROWS: ROWS[rows] }, flops: (step) => 2 * step[rows] * columns * rank },
  );
}
