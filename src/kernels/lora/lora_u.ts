import source from "../../../shaders/lora/lora_u_cpu.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { KernelProfile } from "../profile.ts";
import { dropoutParams, type LoraDropout } from "./dropout.ts";

export const loraUCpuKernel = defineKernel({
  name: "lora_u_cpu",
  source,
  reads: ["a", "keys"],
  writes: ["x", "u"],
  params: {
    ldx: "u32",
    column: "u32",
    K: "u32",
    rank: "u32",
    projections: "u32",
    tag: "u32",
    rate: "f32",
    keep: "f32",
  },
  step: true,
  consts: { ROWS: [0, 1], DROPOUT: [0, 1] },
});

export interface LoraUOptions {
  /** Which count of `Step` the rows follow. */
  readonly rows: "N" | "M";
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
  _profile: KernelProfile,
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
  const tiles = Math.ceil(width / 4) * projections;
  recorder.run(
    loraUCpuKernel,
    { x, u, a, keys: keys ?? a },
    { ldx, column: xColumn, K, rank: width, projections, ...dropoutParams(dropout) },
    flatGrid((step) => Math.ceil((Math.ceil(step[rows] / 4) * tiles) / 16)),
    {
      consts: { ROWS: rows === "M" ? 1 : 0, DROPOUT: dropout ? 1 : 0 },
      flops: (step) => 2 * step[rows] * K * ru,
    },
  );
}
