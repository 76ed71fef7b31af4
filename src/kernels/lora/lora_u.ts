import source from "../../../shaders/lora/lora_u.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { KernelProfile } from "../profile.ts";
import { dropoutParams, type LoraDropout } from "./dropout.ts";
import { loraUTiledKernel } from "./lora_u_tiled.ts";
import { LORA_U_PARAMS, type LoraRows, ROWS } from "./params.ts";

export const loraUKernel = defineKernel({
  name: "lora_u",
  source,
  reads: ["a", "keys"],
  writes: ["x", "u"],
  params: LORA_U_PARAMS,
  step: true,
  consts: { ROWS: [0, 1, 2], DROPOUT: [0, 1] },
});

export interface LoraUOptions {
  /** Which count of `Step` the rows follow. */
  readonly rows: LoraRows;
  /** Rank of one adapter; `a` stacks one or more of them. */
  readonly rank: number;
  readonly dropout?: LoraDropout | undefined;
  /** First column of x, when x is wider than the adapters' input. */
  readonly xColumn?: number | undefined;
}

export interface LoraUArgs {
  /** (capacity, at least xColumn + K) */
  readonly x: Tensor;
  /** (capacity, total rank) */
  readonly u: Tensor;
  /** (total rank, K) */
  readonly a: Tensor;
  /** (capacity) u32, a hash of (row, position) for each token; needed with dropout. */
  readonly keys?: Tensor | undefined;
}

/** Records u = drop(x) a'. Math and shapes: shaders/lora/lora_u.wgsl. */
export function loraU(
  recorder: Recorder,
  profile: KernelProfile,
  { x, u, a, keys }: LoraUArgs,
  { rows, rank, dropout, xColumn = 0 }: LoraUOptions,
): void {
  const [capacity = 0, ldx = 0] = x.shape;
  const [ru = 0, K = 0] = a.shape;
  expectShape("lora_u", u, [capacity, ru]);
  invariant(xColumn + K <= ldx, "lora_u: x is narrower than a");
  invariant(ru % rank === 0, "lora_u: a is not a whole number of adapters");
  invariant(!dropout || keys, "lora_u: dropout needs keys");
  // Without dropout the projections have the same input: they are one matrix of the total rank.
  const width = dropout ? rank : ru;
  const projections = ru / width;
  const tiled = profile.kind === "gpu";
  const tiles = Math.ceil(width / (tiled ? 16 : 4)) * projections;
  recorder.run(
    tiled ? loraUTiledKernel : loraUKernel,
    { x, u, a, keys: keys ?? a },
    { ldx, column: xColumn, K, rank: width, projections, ...dropoutParams(dropout) },
    flatGrid((step) =>
      tiled ? Math.ceil(step[rows] / 16) * tiles : Math.ceil((Math.ceil(step[rows] / 4) * tiles) / 16),
    ),
    {
      consts: { ROWS: ROWS[rows], DROPOUT: dropout ? 1 : 0 },
      flops: (step) => 2 * step[rows] * K * ru,
    },
  );
}
