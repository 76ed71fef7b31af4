import type { Tensor } from "../gpu/tensor.ts";
import { attentionBackward } from "../kernels/attention/attention_backward.ts";
import { attentionForward } from "../kernels/attention/attention_forward.ts";
import type { AttentionOptions } from "../kernels/attention/options.ts";
import { addTensors } from "../kernels/elementwise/add.ts";
import { geluBackward } from "../kernels/mlp/gelu_backward.ts";
import { geluForward } from "../kernels/mlp/gelu_forward.ts";
import { gluForward } from "../kernels/mlp/glu_forward.ts";
import type { RopeOptions, RopeTensors } from "../kernels/rope/options.ts";
import { qkNormBackwardW } from "../kernels/rope/qk_norm_backward_w.ts";
import { ropeBackward } from "../kernels/rope/rope_backward.ts";
import { ropeForward } from "../kernels/rope/rope_forward.ts";
import type { ModelContext } from "./context.ts";
import { type GroupActs, groupBackward, groupForward } from "./linear_group.ts";
import { type NormActs, normBackward, normForward } from "./norm.ts";
import { isGated, type ModelSpec } from "./spec.ts";

/** What the block's forward leaves for its backward. Shapes with N the token capacity. */
export interface BlockActs {
  /** (N, C) the block's input */
  readonly x: Tensor;
  readonly inputNorm: NormActs;
  /** (N, (H + 2K) D) */
  readonly qkv: Tensor;
  readonly qkvU: GroupActs;
  /** (N, H D) after norm and rotation */
  readonly q: Tensor;
  /** (N, K D) */
  readonly k: Tensor;
  /** (N, H D) */
  readonly attention: Tensor;
  /** (N, H, 2) */
  readonly attentionStats: Tensor;
  readonly outputU: GroupActs;
  /** The attention branch before its post norm, where there is one. */
  readonly attentionBranch: Tensor | undefined;
  readonly postAttention: NormActs | undefined;
  /** (N, C) after the attention branch was added */
  readonly middle: Tensor;
  readonly mlpNorm: NormActs;
  /** (N, 2F) gate and up, or (N, F) */
  readonly up: Tensor;
  readonly upU: GroupActs;
  /** (N, F) */
  readonly activated: Tensor;
  readonly downU: GroupActs;
  readonly mlpBranch: Tensor | undefined;
  readonly postMlp: NormActs | undefined;
  /** (N, C) the block's output */
  readonly y: Tensor;
}

export function attentionOptions(spec: ModelSpec, layer: number): AttentionOptions {
  const { heads, kvHeads, headDim, attentionScale: scale, attentionSoftcap: softcap } = spec;
  return { heads, kvHeads, headDim, scale, softcap, window: spec.layers[layer]?.window ?? 0 };
}

export function ropeArgs(
  context: ModelContext,
  layer: number,
): { options: RopeOptions; tensors: RopeTensors } {
  const { spec, rope, tables } = context;
  const name = spec.layers[layer]?.rope;
  const { heads, kvHeads, headDim, norm } = spec;
  const shared = { heads, kvHeads, headDim, eps: norm.eps, offset: norm.offset };
  if (name === undefined) {
    return { options: { ...shared, rotary: 0, rotate: false }, tensors: { positions: tables.positions } };
  }
  const rotary = spec.rope[name]?.rotary ?? headDim;
  return {
    options: { ...shared, rotary, rotate: true },
    tensors: { rotations: rope[name], positions: tables.positions },
  };
}

/** x + attention(norm(x)), then + mlp(norm(.)): one decoder block over packed rows. x: (N, C). */
export function blockForward(context: ModelContext, layer: number, x: Tensor): BlockActs {
  const { recorder, profile, spec, capacity } = context;
  const weights = context.weights.layers[layer];
  const adapter = context.adapter?.layers[layer];
  if (!weights) throw new Error(`no layer ${layer}`);
  const { heads, kvHeads, headDim, hidden, mlp } = spec;
  const { N } = capacity;
  const alloc = (name: string, ...shape: number[]) => recorder.alloc(`layer${layer}.${name}`, [N, ...shape]);

  const inputNorm = normForward(context, x, weights.inputNorm, "N", `layer${layer}.inputNorm`);
  const qkv = alloc("qkv", (heads + 2 * kvHeads) * headDim);
  const qkvU = groupForward(context, { x: inputNorm.y, y: qkv }, weights.qkv, adapter?.qkv);
  const q = alloc("q", heads * headDim);
  const k = alloc("k", kvHeads * headDim);
  const { options, tensors } = ropeArgs(context, layer);
  ropeForward(
    recorder,
    profile,
    { qkv, q, k, qNorm: weights.qNorm, kNorm: weights.kNorm, ...tensors },
    options,
  );
  const attention = alloc("attention", heads * headDim);
  const attentionStats = alloc("attentionStats", heads, 2);
  attentionForward(
    recorder,
    profile,
    { q, k, qkv, out: attention, stats: attentionStats, tiles: context.tables.tiles },
    attentionOptions(spec, layer),
  );

  const middle = alloc("middle", hidden);
  let attentionBranch: Tensor | undefined;
  let postAttention: NormActs | undefined;
  let outputU: GroupActs;
  if (weights.postAttentionNorm) {
    attentionBranch = alloc("attentionBranch", hidden);
    outputU = groupForward(context, { x: attention, y: attentionBranch }, weights.output, adapter?.output);
    postAttention = normForward(
      context,
      attentionBranch,
      weights.postAttentionNorm,
      "N",
      `layer${layer}.postAttention`,
    );
    addTensors(recorder, { a: x, b: postAttention.y, y: middle });
  } else {
    outputU = groupForward(
      context,
      { x: attention, y: middle, residual: x },
      weights.output,
      adapter?.output,
    );
  }

  const mlpNorm = normForward(context, middle, weights.mlpNorm, "N", `layer${layer}.mlpNorm`);
  const gated = isGated(spec);
  const up = alloc("up", gated ? 2 * mlp : mlp);
  const upU = groupForward(context, { x: mlpNorm.y, y: up }, weights.up, adapter?.up);
  const activated = alloc("activated", mlp);
  if (gated) gluForward(recorder, { gateUp: up, h: activated }, { act: spec.activation });
  else geluForward(recorder, { x: up, y: activated });

  const y = alloc("y", hidden);
  let mlpBranch: Tensor | undefined;
  let postMlp: NormActs | undefined;
  let downU: GroupActs;
  if (weights.postMlpNorm) {
    mlpBranch = alloc("mlpBranch", hidden);
    downU = groupForward(context, { x: activated, y: mlpBranch }, weights.down, adapter?.down);
    postMlp = normForward(context, mlpBranch, weights.postMlpNorm, "N", `layer${layer}.postMlp`);
    addTensors(recorder, { a: middle, b: postMlp.y, y });
  } else {
    downU = groupForward(context, { x: activated, y, residual: middle }, weights.down, adapter?.down);
  }
  return {
    ...{ x, inputNorm, qkv, qkvU, q, k, attention, attentionStats, outputU, attentionBranch, postAttention },
    ...{ middle, mlpNorm, up, upU, activated, downU, mlpBranch, postMlp, y },
  };
}

/**
 * blockForward from the last line to the first. d (N, C) holds dloss/dy on entry and dloss/dx on return: the residual
 * stream's gradient flows through it in place. With `last` set nothing below trains, and d is left unfinished.
 */
export function blockBackward(
  context: ModelContext,
  layer: number,
  acts: BlockActs,
  d: Tensor,
  last: boolean,
): void {
  const { recorder, profile, spec, capacity, gradOf } = context;
  const weights = context.weights.layers[layer];
  const adapter = context.adapter?.layers[layer];
  if (!weights) throw new Error(`no layer ${layer}`);
  const { N } = capacity;
  const alloc = (name: string, ...shape: number[]) =>
    recorder.alloc(`layer${layer}.d_${name}`, [N, ...shape]);

  let dMlp = d;
  if (weights.postMlpNorm && acts.postMlp && acts.mlpBranch) {
    dMlp = alloc("mlpBranch", spec.hidden);
    const args = { x: acts.mlpBranch, dy: d, dx: dMlp };
    normBackward(context, args, weights.postMlpNorm, acts.postMlp, "N", false);
  }
  const dUp = recorder.alloc(`layer${layer}.d_up`, acts.up.shape);
  const down = { x: acts.activated, dy: dMlp };
  if (isGated(spec)) {
    const glu = { gateUp: acts.up, act: spec.activation };
    groupBackward(context, { ...down, dx: dUp, glu }, weights.down, adapter?.down, acts.downU);
  } else {
    const dActivated = alloc("activated", spec.mlp);
    groupBackward(context, { ...down, dx: dActivated }, weights.down, adapter?.down, acts.downU);
    geluBackward(recorder, { x: acts.up, dy: dActivated, dx: dUp });
  }
  const dMlpNorm = alloc("mlpNorm", spec.hidden);
  groupBackward(context, { x: acts.mlpNorm.y, dy: dUp, dx: dMlpNorm }, weights.up, adapter?.up, acts.upU);
  normBackward(context, { x: acts.middle, dy: dMlpNorm, dx: d }, weights.mlpNorm, acts.mlpNorm, "N", true);

  let dOutput = d;
  if (weights.postAttentionNorm && acts.postAttention && acts.attentionBranch) {
    dOutput = alloc("attentionBranch", spec.hidden);
    const args = { x: acts.attentionBranch, dy: d, dx: dOutput };
    normBackward(context, args, weights.postAttentionNorm, acts.postAttention, "N", false);
  }
  const dAttention = recorder.alloc(`layer${layer}.d_attention`, acts.attention.shape);
  groupBackward(
    context,
    { x: acts.attention, dy: dOutput, dx: dAttention },
    weights.output,
    adapter?.output,
    acts.outputU,
  );
  const dq = recorder.alloc(`layer${layer}.d_q`, acts.q.shape);
  const dk = recorder.alloc(`layer${layer}.d_k`, acts.k.shape);
  const dqkv = recorder.alloc(`layer${layer}.d_qkv`, acts.qkv.shape);
  const { q, k, qkv, attention, attentionStats } = acts;
  attentionBackward(
    recorder,
    profile,
    {
      q,
      k,
      qkv,
      out: attention,
      dout: dAttention,
      stats: attentionStats,
      dq,
      dk,
      dqkv,
      tiles: context.tables.tiles,
    },
    attentionOptions(spec, layer),
  );
  const { options, tensors } = ropeArgs(context, layer);
  const dqNorm = weights.qNorm && gradOf(weights.qNorm);
  const dkNorm = weights.kNorm && gradOf(weights.kNorm);
  if (dqNorm && dkNorm)
    qkNormBackwardW(recorder, profile, { qkv, dq, dk, dqNorm, dkNorm, ...tensors }, options);
  ropeBackward(
    recorder,
    profile,
    { qkv, dq, dk, dqkv, qNorm: weights.qNorm, kNorm: weights.kNorm, ...tensors },
    options,
  );
  const dInputNorm = last ? undefined : alloc("inputNorm", spec.hidden);
  groupBackward(
    context,
    { x: acts.inputNorm.y, dy: dqkv, dx: dInputNorm },
    weights.qkv,
    adapter?.qkv,
    acts.qkvU,
  );
  if (!dInputNorm) return;
  normBackward(context, { x: acts.x, dy: dInputNorm, dx: d }, weights.inputNorm, acts.inputNorm, "N", true);
}
