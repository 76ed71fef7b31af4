import source from "../../../shaders/embedding/embedding_backward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import type { KernelProfile } from "../profile.ts";

export const embeddingBackwardKernel = defineKernel({
  name: "embedding_backward",
  source,
  reads: ["unique", "starts", "order"],
  writes: ["dx", "dw"],
  params: { C: "u32", firstRow: "u32", rows: "u32", scale: "f32" },
  step: true,
  consts: { THREADS: [64, 1], COUNT: [0, 1] },
});

export interface EmbeddingBackwardOptions {
  readonly scale: number;
  /** dw is rows [firstRow, firstRow + rows) of the table. */
  readonly firstRow: number;
  readonly rows: number;
  /** Which count of `Step` says how many ids the tables hold: `spare` serves a second table, of positions. */
  readonly count: "U" | "spare";
}

/**
 * Records dw += the gradient of one shard of a table: token embeddings or learned positions. dx (capacity, C),
 * dw (rows, C), unique (capacity), starts (capacity + 1), order (capacity). Math: shaders/embedding/embedding_backward.wgsl.
 */
export function embeddingBackward(
  recorder: Recorder,
  profile: KernelProfile,
  args: Record<"dx" | "dw" | "unique" | "starts" | "order", Tensor>,
  { scale, firstRow, rows, count }: EmbeddingBackwardOptions,
): void {
  const [, C = 0] = args.dx.shape;
  expectShape("embedding_backward", args.dw, [rows, C]);
  recorder.run(
    embeddingBackwardKernel,
    args,
    { C, firstRow, rows, scale },
    flatGrid((step) => step[count]),
    { consts: { THREADS: profile.rowThreads, COUNT: count === "spare" ? 1 : 0 } },
  );
}
