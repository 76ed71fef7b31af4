import source from "../../../shaders/optim/grad_norm.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import type { Tensor } from "../../gpu/tensor.ts";

export const gradNormKernel = defineKernel({
  name: "grad_norm",
  source,
  reads: [],
  writes: ["grads", "partials"],
  params: { count: "u32", first: "u32" },
  consts: { THREADS: [64, 1] },
});

/** How many partial sums a shard of `count` elements gives: the places it takes in `partials`. */
export function gradNormPartials(count: number): number {
  return Math.ceil(count / 4096);
}

export interface GradNormOptions {
  readonly count: number;
  /** Where in `partials` this shard's sums begin: the partials of the shards before it. */
  readonly first: number;
  readonly threads: number;
}

/** Records the partial sums of squares of one shard. Math and shapes: shaders/optim/grad_norm.wgsl. */
export function gradNorm(
  recorder: Recorder,
  args: Record<"grads" | "partials", Tensor>,
  { count, first, threads }: GradNormOptions,
): void {
  const groups = gradNormPartials(count);
  recorder.run(
    gradNormKernel,
    args,
    { count, first },
    flatGrid(() => groups),
    {
      consts: { THREADS: threads },
    },
  );
}
