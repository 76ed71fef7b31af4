import source from "../../../shaders/rope/rope_backward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import type { KernelProfile } from "../profile.ts";
import { type RopeOptions, type RopeTensors, rotation } from "./options.ts";

export const ropeBackwardKernel = defineKernel({
  name: "rope_backward",
  source,
  reads: ["cos", "sin", "positions", "norm"],
  writes: ["qkv", "dy", "dqkv"],
  params: { heads: "u32", stride: "u32", first: "u32", D: "u32", half: "u32", eps: "f32", offset: "f32" },
  step: true,
  consts: { LANES: [16, 1], NORM: [0, 1] },
});

/**
 * Records the gradient of `ropeForward`: writes (does not add to) the query and key sections of dqkv, and leaves the value
 * section, which `attentionBackward` writes. Two dispatches. Math and shapes: shaders/rope/rope_backward.wgsl.
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
  const { heads: H, kvHeads: K, headDim: D, eps, offset } = options;
  const { qkv, dqkv } = args;
  const [capacity = 0] = qkv.shape;
  const stride = (H + 2 * K) * D;
  expectShape("rope_backward", qkv, [capacity, stride]);
  expectShape("rope_backward", dqkv, [capacity, stride]);
  const { half, tables } = rotation(args, options);
  const lanes = profile.kind === "cpu" ? 1 : 16;
  const sections = [
    { dy: args.dq, norm: args.qNorm, heads: H, first: 0 },
    { dy: args.dk, norm: args.kNorm, heads: K, first: H * D },
  ];
  for (const { dy, norm, heads, first } of sections) {
    expectShape("rope_backward", dy, [capacity, heads * D]);
    if (norm) expectShape("rope_backward", norm, [D]);
    recorder.run(
      ropeBackwardKernel,
      { ...tables, norm: norm ?? tables.positions, qkv, dy, dqkv },
      { heads, stride, first, D, half, eps, offset },
      flatGrid((step) => Math.ceil((step.N * heads * lanes) / 64)),
      { consts: { LANES: lanes, NORM: norm ? 1 : 0 } },
    );
  }
}
