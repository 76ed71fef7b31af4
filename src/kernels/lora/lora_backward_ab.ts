import source from "../../../shaders/lora/lora_backward_ab.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { LoraSegment } from "../linear/weight.ts";
import type { KernelProfile } from "../profile.ts";
import { dropoutParams, type LoraDropout } from "./dropout.ts";
import { loraBackwardAbTiledKernel } from "./lora_backward_ab_tiled.ts";
import { LORA_BACKWARD_AB_PARAMS, type LoraRows, ROWS } from "./params.ts";
import { segmentParams } from "./segments.ts";

export const loraBackwardAbKernel = defineKernel({
  name: "lora_backward_ab",
  source,
  reads: [],
  writes: ["x", "dy", "u", "du", "keys", "da", "db"],
  params: LORA_BACKWARD_AB_PARAMS,
  step: true,
  consts: { ROWS: [0, 1, 2], DROPOUT: [0, 1] },
});

export interface LoraBackwardAbArgs {
  /** (capacity, at least xColumn + K) */
  readonly x: Tensor;
  /** (capacity, ldy) */
  readonly dy: Tensor;
  /** (capacity, total rank), as written by lora_u */
  readonly u: Tensor;
  /** (capacity, total rank), as written by lora_backward_u: with the scale */
  readonly du: Tensor;
  /** (total rank, K), accumulated */
  readonly da: Tensor;
  /** (rows of B, rank), accumulated */
  readonly db: Tensor;
  /** (capacity) u32, the keys given to lora_u; needed with dropout. */
  readonly keys?: Tensor | undefined;
}

export interface LoraBackwardAbOptions {
  readonly rank: number;
  readonly scale: number;
  /** At most three; rows of da and db that no segment owns are left alone. */
  readonly segments: readonly LoraSegment[];
  /** Which count of `Step` the rows follow. */
  readonly rows: LoraRows;
  readonly dropout?: LoraDropout | undefined;
  /** First column of x, when x is wider than the adapters' input. */
  readonly xColumn?: number | undefined;
}

/** Records da += du' drop(x) and db += scale * dy' u. Math and shapes: shaders/lora/lora_backward_ab.wgsl. */
export function loraBackwardAb(
  recorder: Recorder,
  profile: KernelProfile,
  { x, dy, u, du, da, db, keys }: LoraBackwardAbArgs,
  { rank, scale, segments, rows, dropout, xColumn = 0 }: LoraBackwardAbOptions,
): void {
  const [capacity = 0, ldx = 0] = x.shape;
  const [, ldy = 0] = dy.shape;
  const [ru = 0, K = 0] = da.shape;
  const [rowsB = 0] = db.shape;
  expectShape("lora_backward_ab", dy, [capacity, ldy]);
  expectShape("lora_backward_ab", u, [capacity, ru]);
  expectShape("lora_backward_ab", du, [capacity, ru]);
  expectShape("lora_backward_ab", db, [rowsB, rank]);
  invariant(xColumn + K <= ldx, "lora_backward_ab: x is narrower than da");
  invariant(!dropout || keys, "lora_backward_ab: dropout needs keys");
  for (const segment of segments) {
    const { begin, end, u: column, row } = segment;
    invariant(
      end <= ldy && column + rank <= ru && row + end - begin <= rowsB,
      "lora_backward_ab: a segment is out of range",
    );
  }
  const tiled = profile.kind === "gpu";
  // Columns of x and of each segment, in tiles; each tile once for every tile of the rank.
  const widths = [...segments.map(() => K), ...segments.map(({ begin, end }) => end - begin)];
  const wideTiles = widths.reduce((sum, width) => sum + Math.ceil(width / (tiled ? 32 : 4)), 0);
  const groups = tiled ? wideTiles * Math.ceil(rank / 16) : Math.ceil((wideTiles * Math.ceil(rank / 8)) / 16);
  const work = 2 * rank * widths.reduce((sum, width) => sum + width, 0);
  recorder.run(
    tiled ? loraBackwardAbTiledKernel : loraBackwardAbKernel,
    { x, dy, u, du, da, db, keys: keys ?? recorder.alloc("none", [1]) },
    {
      ldx,
      column: xColumn,
      K,
      ldy,
      ru,
      rank,
      scale,
      ...dropoutParams(dropout),
      ...segmentParams("lora_backward_ab", segments, rank),
    },
    flatGrid(() => groups),
    {
      consts: { ROWS: ROWS[rows], DROPOUT: dropout ? 1 : 0 },
      flops: (step) => work * step[rows],
    },
  );
}
