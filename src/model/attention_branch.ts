import type { Tensor } from "../gpu/tensor.ts";
import { attentionBackward } from "../kernels/attention/attention_backward.ts";
import { attentionForward } from "../kernels/attention/attention_forward.ts";
import type { AttentionOptions } from "../kernels/attention/options.ts";
import type { RopeOptions, RopeTensors } from "../kernels/rope/options.ts";
import { qkNormBackwardW } from "../kernels/rope/qk_norm_backward_w.ts";
import { ropeBackward } from "../kernels/rope/rope_backward.ts";
import { ropeForward } from "../kernels/rope/rope_forward.ts";
import { type BranchActs, type BranchEnd, closeBranch, closeBranchBackward } from "./branch.ts";
import { layerOf, type ModelContext } from "./context.ts";
import { type GroupActs, groupBackward, groupForward } from "./linear_group.ts";
import { type NormActs, normBackward, normForward } from "./norm.ts";

/** Queries and keys of a layer's tokens, normed and rotated; the values lie in qkv. */
export interface AttentionInputs {
  readonly norm: NormActs;
  /** (N, (H + 2K) D) */
  readonly qkv: Tensor;
  readonly u: GroupActs;
  /** (N, H D) */
  readonly q: Tensor;
  /** (N, K D) */
  readonly k: Tensor;
}

export interface AttentionActs {
  readonly inputs: AttentionInputs;
  /** (N, H D) */
  readonly out: Tensor;
  /** (N, H, 2) */
  readonly stats: Tensor;
  readonly end: BranchActs;
}

export function attentionOptions({ spec }: ModelContext, layer: number): AttentionOptions {
  const { heads, kvHeads, headDim, attentionScale: scale, attentionSoftcap: softcap } = spec;
  return { heads, kvHeads, headDim, scale, softcap, window: spec.layers[layer]?.window ?? 0 };
}

/** How the layer rotates, and its QK norm: what ropeForward and ropeBackward share. */
function ropeArgs(context: ModelContext, layer: number) {
  const { spec, rope, tables } = context;
  const { qNorm, kNorm } = layerOf(context, layer).weights;
  const name = spec.layers[layer]?.rope;
  const { heads, kvHeads, headDim, norm } = spec;
  const rotary = name === undefined ? 0 : (spec.rope[name]?.rotary ?? headDim);
  const shared = { heads, kvHeads, headDim, rotary, eps: norm.eps, offset: norm.offset };
  const options: RopeOptions = { ...shared, rotate: name !== undefined };
  const rotations = name === undefined ? {} : { rotations: rope[name] };
  const tensors: RopeTensors = { ...rotations, positions: tables.positions };
  return { options, tensors: { ...tensors, qNorm, kNorm } };
}

function endOf(context: ModelContext, layer: number): BranchEnd {
  const { weights, adapter } = layerOf(context, layer);
  const label = `layer${layer}.attention`;
  return { label, group: weights.output, lora: adapter?.output, norm: weights.postAttentionNorm };
}

/** The part of a block before its attention, for x (N, C); generation runs the same. */
export function attentionInputs(context: ModelContext, layer: number, x: Tensor): AttentionInputs {
  const { recorder, profile, spec, capacity } = context;
  const { weights, adapter } = layerOf(context, layer);
  const { heads, kvHeads, headDim } = spec;
  const alloc = (name: string, count: number) =>
    recorder.alloc(`layer${layer}.${name}`, [capacity.N, count * headDim]);
  const norm = normForward(context, x, weights.inputNorm, "N", `layer${layer}.inputNorm`);
  const qkv = alloc("qkv", heads + 2 * kvHeads);
  const u = groupForward(context, { x: norm.y, y: qkv }, weights.qkv, adapter?.qkv);
  const q = alloc("q", heads);
  const k = alloc("k", kvHeads);
  const { options, tensors } = ropeArgs(context, layer);
  ropeForward(recorder, profile, { qkv, q, k, ...tensors }, options);
  return { norm, qkv, u, q, k };
}

/** residual + linear(attended): what follows the attention, in training and in generation. out (N, H D), x and y (N, C). */
export function attentionEnd(context: ModelContext, layer: number, out: Tensor, x: Tensor): BranchActs {
  return closeBranch(context, { x: out, residual: x }, endOf(context, layer));
}

/** y = x + attention(norm(x)). x (N, C). */
export function attentionBranch(context: ModelContext, layer: number, x: Tensor): AttentionActs {
  const { recorder, profile, spec, capacity, tables } = context;
  const inputs = attentionInputs(context, layer, x);
  const out = recorder.alloc(`layer${layer}.attended`, inputs.q.shape);
  const stats = recorder.alloc(`layer${layer}.attentionStats`, [capacity.N, spec.heads, 2]);
  const { q, k, qkv } = inputs;
  const args = { q, k, qkv, out, stats, tiles: tables.tiles };
  attentionForward(recorder, profile, args, attentionOptions(context, layer));
  return { inputs, out, stats, end: attentionEnd(context, layer, out, x) };
}

/**
 * attentionBranch from the last line to the first. d (N, C) holds the gradient of y on entry and of x on return. With `last`
 * set nothing below trains, and d is left as it is.
 */
export function attentionBranchBackward(
  context: ModelContext,
  layer: number,
  {
    x,
    acts,
    d,
    last,
  }: { readonly x: Tensor; readonly acts: AttentionActs; readonly d: Tensor; readonly last: boolean },
): void {
  const { recorder, profile, tables, gradOf } = context;
  const { weights, adapter } = layerOf(context, layer);
  const { q, k, qkv, norm, u } = acts.inputs;
  const { out, stats } = acts;
  const like = (name: string, { shape }: Tensor) => recorder.alloc(`layer${layer}.d_${name}`, shape);

  const dout = like("attended", out);
  closeBranchBackward(context, acts.end, { x: out, d, dx: dout }, endOf(context, layer));
  const grads = { dq: like("q", q), dk: like("k", k), dqkv: like("qkv", qkv) };
  const attention = { q, k, qkv, out, dout, stats, ...grads, tiles: tables.tiles };
  attentionBackward(recorder, profile, attention, attentionOptions(context, layer));
  const { options, tensors } = ropeArgs(context, layer);
  const { dq, dk, dqkv } = grads;
  const dqNorm = weights.qNorm && gradOf(weights.qNorm);
  const dkNorm = weights.kNorm && gradOf(weights.kNorm);
  if (dqNorm && dkNorm) {
    qkNormBackwardW(recorder, profile, { qkv, dq, dk, dqNorm, dkNorm, ...tensors }, options);
  }
  ropeBackward(recorder, profile, { qkv, dq, dk, dqkv, ...tensors }, options);
  const dNorm = last ? undefined : like("inputNorm", norm.y);
  groupBackward(context, { x: norm.y, dy: dqkv, dx: dNorm }, weights.qkv, adapter?.qkv, u);
  if (dNorm) normBackward(context, { x, dy: dNorm, dx: d }, weights.inputNorm, norm, "N", true);
}
