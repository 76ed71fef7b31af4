import source from "../../../shaders/head/head_finish.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const headFinishKernel = defineKernel({
  name: "head_finish",
  source,
  reads: [],
  writes: ["state", "out", "argmax", "logCollision"],
  params: { V: "u32" },
  step: true,
});

/**
 * Records out (capacity, 4) = logp, entropy, lse, mean_logp; argmax (u32); and logCollision, the log of the probability that
 * two draws are the same word. Math: shaders/head/head_finish.wgsl.
 */
export function headFinish(
  recorder: Recorder,
  args: Record<"state" | "out" | "argmax" | "logCollision", Tensor>,
  { vocab }: { readonly vocab: number },
): void {
  const [capacity = 0] = args.state.shape;
  expectShape("head_finish", args.state, [capacity, 8]);
  expectShape("head_finish", args.out, [capacity, 4]);
  expectShape("head_finish", args.argmax, [capacity]);
  expectShape("head_finish", args.logCollision, [capacity]);
  recorder.run(headFinishKernel, args, { V: vocab }, (step) => [Math.ceil(step.M / 64)]);
}
