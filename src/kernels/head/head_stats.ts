import source from "../../../shaders/head/head_stats.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const headStatsKernel = defineKernel({
  name: "head_stats",
  source,
  reads: ["targets"],
  writes: ["z", "state"],
  params: { columns: "u32", firstColumn: "u32", stride: "u32", softcap: "f32", temperature: "f32" },
  step: true,
  consts: { THREADS: [64, 1], FIRST: [0, 1] },
});

/** A chunk of the vocabulary in the logits' scratch, and what is done to logits before the softmax. */
export interface LogitsChunk {
  /** Columns of this chunk that are logits. */
  readonly columns: number;
  /** The token id of column 0. */
  readonly firstColumn: number;
  /** Columns of the scratch: the distance between rows. */
  readonly stride: number;
  /** 0 turns it off. */
  readonly softcap: number;
  readonly temperature: number;
}

export interface HeadStatsOptions extends LogitsChunk {
  /** Whether this is the first chunk, which begins the state. */
  readonly first: boolean;
  readonly threads: number;
}

/** Records the merge of one chunk into state (capacity, 8). Math and layout: shaders/head/head_stats.wgsl. */
export function headStats(
  recorder: Recorder,
  args: Record<"z" | "state" | "targets", Tensor>,
  { columns, firstColumn, stride, first, softcap, temperature, threads }: HeadStatsOptions,
): void {
  const [capacity = 0] = args.state.shape;
  expectShape("head_stats", args.z, [capacity, stride]);
  expectShape("head_stats", args.state, [capacity, 8]);
  expectShape("head_stats", args.targets, [capacity]);
  recorder.run(
    headStatsKernel,
    args,
    { columns, firstColumn, stride, softcap, temperature },
    flatGrid((step) => Math.ceil(step.M / (threads === 1 ? 16 : 1))),
    { consts: { THREADS: threads, FIRST: first ? 1 : 0 } },
  );
}
