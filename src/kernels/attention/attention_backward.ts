import kvSource from "../../../shaders/attention/attention_backward_kv.wgsl?raw";
import kvTiledSource from "../../../shaders/attention/attention_backward_kv_tiled.wgsl?raw";
import qSource from "../../../shaders/attention/attention_backward_q.wgsl?raw";
import qTiledSource from "../../../shaders/attention/attention_backward_q_tiled.wgsl?raw";
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

export const attentionBackwardQKernel = defineKernel({
  name: "attention_backward_q",
  source: qSource,
  reads: ["tiles"],
  writes: ["q", "k", "qkv", "out", "dout", "stats", "dq"],
  params: ATTENTION_PARAMS,
  consts: { TILE: [...TILES] },
});

export const attentionBackwardKvKernel = defineKernel({
  name: "attention_backward_kv",
  source: kvSource,
  reads: ["tiles"],
  writes: ["q", "k", "qkv", "dout", "stats", "dk", "dqkv"],
  params: ATTENTION_PARAMS,
  consts: { TILE: [...TILES] },
});

export const attentionBackwardQTiledKernel = defineKernel({
  name: "attention_backward_q_tiled",
  source: qTiledSource,
  reads: ["tiles"],
  writes: ["q", "k", "qkv", "out", "dout", "stats", "dq"],
  params: ATTENTION_PARAMS,
  consts: TILED_CONSTS,
});

export const attentionBackwardKvTiledKernel = defineKernel({
  name: "attention_backward_kv_tiled",
  source: kvTiledSource,
  reads: ["tiles"],
  writes: ["q", "k", "qkv", "dout", "stats", "dk", "dqkv"],
  params: ATTENTION_PARAMS,
  consts: TILED_CONSTS,
});

/**
 * Records the gradient of `attentionForward`: writes (does not add to) dq, dk and the value section of dqkv, and
 * stats[.., 1]. Needs out and stats of the forward. Math and shapes: shaders/attention/attention_backward_*.wgsl.
 */
export function attentionBackward(
  recorder: Recorder,
  profile: KernelProfile,
  args: Record<"q" | "k" | "qkv" | "out" | "dout" | "stats" | "dq" | "dk" | "dqkv" | "tiles", Tensor>,
  options: AttentionOptions,
): void {
  const { heads, kvHeads, headDim } = options;
  const { tiles, q, k, qkv, out, dout, stats, dq, dk, dqkv } = args;
  const [capacity = 0] = q.shape;
  for (const tensor of [q, out, dout, dq]) {
    expectShape("attention_backward", tensor, [capacity, heads * headDim]);
  }
  for (const tensor of [k, dk]) expectShape("attention_backward", tensor, [capacity, kvHeads * headDim]);
  for (const tensor of [qkv, dqkv]) {
    expectShape("attention_backward", tensor, [capacity, (heads + 2 * kvHeads) * headDim]);
  }
  expectShape("attention_backward", stats, [capacity, heads, 2]);
  const params = attentionParams(options);
  const tiled = profile.kind === "gpu";
  const consts = tiled ? tiledConsts(profile.attentionTile, headDim) : { TILE: profile.attentionTile };
  recorder.run(
    tiled ? attentionBackwardQTiledKernel : attentionBackwardQKernel,
    { tiles, q, k, qkv, out, dout, stats, dq },
    params,
    (step) => [step.T, heads],
    { consts, flops: attentionFlops(options, 3) },
  );
  recorder.run(
    tiled ? attentionBackwardKvTiledKernel : attentionBackwardKvKernel,
    { tiles, q, k, qkv, dout, stats, dk, dqkv },
    params,
    (step) => [step.T, kvHeads],
    { consts, flops: attentionFlops(options, 4) },
  );
}
