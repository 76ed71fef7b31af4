import source from "../../../shaders/attention/attention_decode.wgsl?raw";
import tiledSource from "../../../shaders/attention/attention_decode_tiled.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import type { KernelProfile } from "../profile.ts";
import { ATTENTION_PARAMS, type AttentionOptions, attentionParams } from "./options.ts";

export const attentionDecodeKernel = defineKernel({
  name: "attention_decode",
  source,
  reads: ["sequences"],
  writes: ["q", "out", "kCache", "vCache"],
  params: { ...ATTENTION_PARAMS, maxLength: "u32" },
  step: true,
});

export const attentionDecodeTiledKernel = defineKernel({
  name: "attention_decode_tiled",
  source: tiledSource,
  reads: ["sequences"],
  writes: ["q", "out", "kCache", "vCache"],
  params: { ...ATTENTION_PARAMS, maxLength: "u32" },
});

export interface AttentionDecodeOptions extends AttentionOptions {
  /** Tokens that a slot of the caches holds. */
  readonly maxLength: number;
}

/**
 * Records attention of step.R new queries over cached keys and values, summed in the order of `attentionForward`.
 * `sequences`: (B, 4) u32 {promptSlot, promptLength, slot, length}, length with the new token, whose key must be in the
 * cache already (`kvAppend`); key j >= promptLength is row j - promptLength of the own slot. Caches as for `kvAppend`.
 * Math and layouts: shaders/attention/attention_decode.wgsl.
 */
export function attentionDecode(
  recorder: Recorder,
  profile: KernelProfile,
  args: Record<"q" | "out" | "kCache" | "vCache" | "sequences", Tensor>,
  options: AttentionDecodeOptions,
): void {
  const { heads, kvHeads, headDim, maxLength } = options;
  const [capacity = 0] = args.q.shape;
  const [slots = 0] = args.kCache.shape;
  expectShape("attention_decode", args.q, [capacity, heads * headDim]);
  expectShape("attention_decode", args.out, [capacity, heads * headDim]);
  expectShape("attention_decode", args.kCache, [slots, maxLength, kvHeads * headDim]);
  expectShape("attention_decode", args.vCache, [slots, maxLength, kvHeads * headDim]);
  const params = { ...attentionParams(options), maxLength };
  if (profile.kind === "cpu") {
    const grid = flatGrid((step) => Math.ceil((step.R * heads) / 8));
    recorder.run(attentionDecodeKernel, args, params, grid);
  } else {
    recorder.run(attentionDecodeTiledKernel, args, params, (step) => [step.R, heads]);
  }
}
