import source from "../../../shaders/rope/qk_norm_backward_w.wgsl?raw";
import reduceSource from "../../../shaders/rope/qk_norm_reduce.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { KernelProfile } from "../profile.ts";
import { type RopeOptions, type RopeTensors, rotation } from "./options.ts";

export const qkNormBackwardWKernel = defineKernel({
  name: "qk_norm_backward_w",
  source,
  reads: ["rotations", "positions"],
  writes: ["qkv", "dy", "partials"],
  params: { heads: "u32", stride: "u32", first: "u32", D: "u32", half: "u32", eps: "f32" },
  step: true,
});

export const qkNormReduceKernel = defineKernel({
  name: "qk_norm_reduce",
  source: reduceSource,
  reads: [],
  writes: ["partials", "dNorm"],
  params: { D: "u32", spans: "u32" },
});

/** SPANS of the shader. */
const SPANS = 32;

/**
 * Records dqNorm += and dkNorm += : the gradients of the QK norm's weights, from the gradients of the rotated queries and
 * keys. Four dispatches, for full fine-tuning only. Math and shapes: shaders/rope/qk_norm_backward_w.wgsl.
 */
export function qkNormBackwardW(
  recorder: Recorder,
  _profile: KernelProfile,
  args: RopeTensors & Record<"qkv" | "dq" | "dk" | "dqNorm" | "dkNorm", Tensor>,
  options: RopeOptions,
): void {
  const { heads: H, kvHeads: K, headDim: D, eps } = options;
  invariant(D <= 256, `qk_norm_backward_w: headDim ${D} is over 256`);
  const [capacity = 0] = args.qkv.shape;
  const stride = (H + 2 * K) * D;
  expectShape("qk_norm_backward_w", args.qkv, [capacity, stride]);
  const { half, tables } = rotation(args, options);
  const sections = [
    { dy: args.dq, dNorm: args.dqNorm, heads: H, first: 0 },
    { dy: args.dk, dNorm: args.dkNorm, heads: K, first: H * D },
  ];
  for (const { dy, dNorm, heads, first } of sections) {
    expectShape("qk_norm_backward_w", dy, [capacity, heads * D]);
    expectShape("qk_norm_backward_w", dNorm, [D]);
    const partials = recorder.alloc("qk_norm_partials", [SPANS, D]);
    recorder.run(
      qkNormBackwardWKernel,
      { ...tables, qkv: args.qkv, dy, partials },
      { heads, stride, first, D, half, eps },
      () => [SPANS],
    );
    recorder.run(qkNormReduceKernel, { partials, dNorm }, { D, spans: SPANS }, () => [Math.ceil(D / 64)]);
  }
}
