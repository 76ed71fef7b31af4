import source from "../../../shaders/loss/entropy_quantile.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const entropyQuantileKernel = defineKernel({
  name: "entropy_quantile",
  source,
  reads: ["weights"],
  writes: ["out", "threshold"],
  params: { quantile: "f32" },
  step: true,
  consts: { THREADS: [64, 1] },
});

/**
 * Records threshold (2) = the quantile, 0 to 1, of the entropies of the micro-batch's live tokens, and how many times more
 * tokens are live than reach it.
 * Math and shapes: shaders/loss/entropy_quantile.wgsl.
 */
export function entropyQuantile(
  recorder: Recorder,
  args: Record<"out" | "weights" | "threshold", Tensor>,
  { quantile, threads }: { readonly quantile: number; readonly threads: number },
): void {
  const [capacity = 0] = args.out.shape;
  expectShape("entropy_quantile", args.out, [capacity, 4]);
  expectShape("entropy_quantile", args.weights, [capacity]);
  expectShape("entropy_quantile", args.threshold, [2]);
  recorder.run(entropyQuantileKernel, args, { quantile }, () => [1], { consts: { THREADS: threads } });
}
