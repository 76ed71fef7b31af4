import source from "../../../shaders/optim/adamw.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const adamwKernel = defineKernel({
  name: "adamw",
  source,
  reads: [],
  writes: ["params", "grads", "m", "v", "state"],
  params: {
    count: "u32",
    decayEnd: "u32",
    beta2: "f32",
    oneMinusBeta1: "f32",
    oneMinusBeta2: "f32",
    eps: "f32",
    weight_decay: "f32",
  },
  step: true,
});

export interface AdamwOptions {
  readonly count: number;
  /** Elements of this shard before this one decay; the others (biases, norms) do not. */
  readonly decayEnd: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weight_decay: number;
}

/** Records one AdamW update of a shard at `step.lr`; clears the gradients. Math and shapes: shaders/optim/adamw.wgsl. */
export function adamw(
  recorder: Recorder,
  args: Record<"params" | "grads" | "m" | "v" | "state", Tensor>,
  { count, decayEnd, beta1, beta2, eps, weight_decay }: AdamwOptions,
): void {
  expectShape("adamw", args.state, [16]);
  recorder.run(
    adamwKernel,
    args,
    // 1 - beta in f64: in f32 it would be off by 5e-5 for 0.999.
    { count, decayEnd, beta2, oneMinusBeta1: 1 - beta1, oneMinusBeta2: 1 - beta2, eps, weight_decay },
    flatGrid(() => Math.ceil(count / 256)),
  );
}
