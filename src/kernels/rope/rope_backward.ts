import source from "../../../shaders/rope/rope_backward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { KernelProfile } from "../profile.ts";
import { type RopeOptions, type RopeTensors, rotation } from "./options.ts";

export const ropeBackwardKernel = defineKernel({
  name: "rope_backward",
  source,
  reads: ["rotations", "positions", "qNorm", "kNorm"],
  writes: ["qkv", "dq", "dk", "dqkv"],
  params: { heads: "u32", kvHeads: "u32", D: "u32", half: "u32", eps: "f32", offset: "f32" },
  step: true,
  consts: { LANES: [16, 1], NORM: [0, 1] },
});

/**
 * Records the gradient of `ropeForward`: writes (does not add to) the query and key sections of dqkv, and leaves the value
 * section, which `attentionBackward` writes. Math and shapes: shaders/rope/rope_backward.wgsl.
 */
export function ropeBackward(
  recorder: Recorder,
  profile: KernelProfile,
  args: RopeTensors &
    Record<"qkv" | "dq" | "dk" | "dqkv", Tensor> & {
      readonly qNorm?: Tensor | undefined;
      readonly kNorm?: Tensor | undefined;
    },
  options: RopeOptions,
): void {
  const { heads, kvHeads, headDim: D, eps, offset } = options;
  const { qkv, dq, dk, dqkv, qNorm, kNorm } = args;
  const [capacity = 0] = qkv.shape;
  const stride = (heads + 2 * kvHeads) * D;
  expectShape("rope_backward", qkv, [capacity, stride]);
  expectShape("rope_backward", dqkv, [capacity, stride]);
  expectShape("rope_backward", dq, [capacity, heads * D]);
  expectShape("rope_backward", dk, [capacity, kvHeads * D]);
  invariant((qNorm === undefined) === (kNorm === undefined), "rope_backward: one QK norm without the other");
  if (qNorm) expectShape("rope_backward", qNorm, [D]);
  if (kNorm) expectShape("rope_backward", kNorm, [D]);
  const { half, tables } = rotation(args, options);
  const lanes = profile.kind === "cpu" ? 1 : 16;
  recorder.run(
    ropeBackwardKernel,
    { ...tables, qNorm: qNorm ?? tables.positions, kNorm: kNorm ?? tables.positions, qkv, dq, dk, dqkv },
    { heads, kvHeads, D, half, eps, offset },
    flatGrid((step) => Math.ceil((step.N * (heads + kvHeads) * lanes) / 64)),
    { consts: { LANES: lanes, NORM: qNorm ? 1 : 0 } },
  );
}
