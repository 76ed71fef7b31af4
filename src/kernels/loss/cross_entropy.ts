import source from "../../../shaders/loss/cross_entropy.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const crossEntropyKernel = defineKernel({
  name: "cross_entropy",
  source,
  reads: ["weight"],
  writes: ["out", "upstream", "loss"],
  params: { smoothing: "f32" },
  step: true,
  consts: { DFT: [0, 1] },
});

export interface CrossEntropyOptions {
  /** Negative log-likelihood, or that weighted by the token's own probability (dft). */
  readonly kind: "nll" | "dft";
  /** Label smoothing, 0 to 1. */
  readonly smoothing: number;
}

/** Records loss (capacity) and upstream (capacity, 3) of SFT. Math and shapes: shaders/loss/cross_entropy.wgsl. */
export function crossEntropy(
  recorder: Recorder,
  args: Record<"out" | "weight" | "upstream" | "loss", Tensor>,
  { kind, smoothing }: CrossEntropyOptions,
): void {
  const [capacity = 0] = args.out.shape;
  expectShape("cross_entropy", args.out, [capacity, 4]);
  expectShape("cross_entropy", args.weight, [capacity]);
  expectShape("cross_entropy", args.upstream, [capacity, 3]);
  expectShape("cross_entropy", args.loss, [capacity]);
  recorder.run(crossEntropyKernel, args, { smoothing }, (step) => [Math.ceil(step.M / 64)], {
    consts: { DFT: kind === "dft" ? 1 : 0 },
  });
}
