import source from "../../../shaders/attention/attention_forward.wgsl?raw";
import tiledSource from "../../../shaders/attention/attention_forward_tiled.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import type { Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import type { KernelProfile } from "../profile.ts";
import {
  ATTENTION_PARAMS,
  type AttentionOptions,
  attentionFlops,
  attentionParams,
  TILED_CONSTS,
  TILES,
  tiledConsts,
} from "./options.ts";

export const attentionForwardKernel = defineKernel({
  name: "attention_forward",
  source,
  reads: ["tiles"],
  writes: ["q", "k", "qkv", "out", "stats"],
  params: ATTENTION_PARAMS,
  consts: { TILE: [...TILES] },
});

export const attentionForwardTiledKernel = defineKernel({
  name: "attention_forward_tiled",
  source: tiledSource,
  reads: ["tiles"],
  writes: ["q", "k", "qkv", "out", "stats"],
  params: ATTENTION_PARAMS,
  consts: TILED_CONSTS,
});

/**
 * Records causal attention over step.T tiles of packed rows. `tiles` is made by `attentionTiles` with
 * profile.attentionTile; stats[.., 1] is left for `attentionBackward`. Math and shapes:
 * shaders/attention/attention_forward.wgsl.
 */
export function attentionForward(
  recorder: Recorder,
  profile: KernelProfile,
  args: Record<"q" | "k" | "qkv" | "out" | "stats" | "tiles", Tensor>,
  options: AttentionOptions,
): void {
  const { heads, kvHeads, headDim } = options;
  const [capacity = 0] = args.q.shape;
  expectShape("attention_forward", args.q, [capacity, heads * headDim]);
  expectShape("attention_forward", args.k, [capacity, kvHeads * headDim]);
  expectShape("attention_forward", args.qkv, [capacity, (heads + 2 * kvHeads) * headDim]);
  expectShape("attention_forward", args.out, [capacity, heads * headDim]);
  expectShape("attention_forward", args.stats, [capacity, heads, 2]);
  const tiled = profile.kind === "gpu";
  const kernel = tiled ? attentionForwardTiledKernel : attentionForwardKernel;
  recorder.run(kernel, args, attentionParams(options), (step) => [step.T, heads], {
    consts: tiled ? tiledConsts(profile.attentionTile, headDim) : { TILE: profile.attentionTile },
    flops: attentionFlops(options, 2),
  });
}
