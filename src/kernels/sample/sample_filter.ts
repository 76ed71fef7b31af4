import source from "../../../shaders/sample/sample_filter.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const sampleFilterKernel = defineKernel({
  name: "sample_filter",
  source,
  reads: [],
  writes: ["z", "seen", "stats"],
  params: { V: "u32", softcap: "f32" },
  step: true,
  consts: { THREADS: [256, 1] },
});

export interface SampleOptions {
  readonly vocab: number;
  /** Soft cap of the logits; 0 turns it off. */
  readonly softcap: number;
  readonly threads: number;
}

/** Records the filters of one decoding step on z (rows, vocab), in place. Math: shaders/sample/sample_filter.wgsl. */
export function sampleFilter(
  recorder: Recorder,
  args: Record<"z" | "seen" | "stats", Tensor>,
  { vocab, softcap, threads }: SampleOptions,
): void {
  const [rows = 0] = args.z.shape;
  expectShape("sample_filter", args.z, [rows, vocab]);
  expectShape("sample_filter", args.seen, [rows, Math.ceil(vocab / 32)]);
  expectShape("sample_filter", args.stats, [rows, 4]);
  recorder.run(
    sampleFilterKernel,
    args,
    { V: vocab, softcap },
    flatGrid((step) => step.R),
    { consts: { THREADS: threads } },
  );
}
