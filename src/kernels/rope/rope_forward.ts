import source from "../../../shaders/rope/rope_forward.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { KernelProfile } from "../profile.ts";
import { type RopeOptions, type RopeTensors, rotation } from "./options.ts";

export const ropeForwardKernel = defineKernel({
  name: "rope_forward",
  source,
  reads: ["rotations", "positions", "qNorm", "kNorm"],
  writes: ["qkv", "q", "k"],
  params: { heads: "u32", kvHeads: "u32", D: "u32", half: "u32", eps: "f32", offset: "f32" },
  step: true,
  consts: { LANES: [16, 1], NORM: [0, 1] },
});

/**
 * Records q and k from the fused projection `qkv`, for step.N tokens: optional QK norm (both weights or none), then rotary
 * positions. Math and shapes: shaders/rope/rope_forward.wgsl.
 */
export function ropeForward(
  recorder: Recorder,
  profile: KernelProfile,
  args: RopeTensors &
    Record<"qkv" | "q" | "k", Tensor> & {
      readonly qNorm?: Tensor | undefined;
      readonly kNorm?: Tensor | undefined;
    },
  options: RopeOptions,
): void {
  const { heads, kvHeads, headDim: D, eps, offset } = options;
  const { qkv, q, k, qNorm, kNorm } = args;
  const [capacity = 0] = qkv.shape;
  expectShape("rope_forward", qkv, [capacity, (heads + 2 * kvHeads) * D]);
  expectShape("rope_forward", q, [capacity, heads * D]);
  expectShape("rope_forward", k, [capacity, kvHeads * D]);
  invariant((qNorm === undefined) === (kNorm === undefined), "rope_forward: one QK norm without the other");
  if (qNorm) expectShape("rope_forward", qNorm, [D]);
  if (kNorm) expectShape("rope_forward", kNorm, [D]);
  const { half, tables } = rotation(args, options);
  const lanes = profile.kind === "cpu" ? 1 : 16;
  recorder.run(
    ropeForwardKernel,
    { ...tables, qkv, q, k, qNorm: qNorm ?? tables.positions, kNorm: kNorm ?? tables.positions },
    { heads, kvHeads, D, half, eps, offset },
    flatGrid((step) => Math.ceil((step.N * (heads + kvHeads) * lanes) / 64)),
    { consts: { LANES: lanes, NORM: qNorm ? 1 : 0 } },
  );
}
