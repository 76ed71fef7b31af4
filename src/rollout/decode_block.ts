import type { Tensor } from "../gpu/tensor.ts";
import { attentionDecode } from "../kernels/attention/attention_decode.ts";
import { kvAppend } from "../kernels/attention/kv_append.ts";
import { addTensors } from "../kernels/elementwise/add.ts";
import { geluForward } from "../kernels/mlp/gelu_forward.ts";
import { gluForward } from "../kernels/mlp/glu_forward.ts";
import { ropeForward } from "../kernels/rope/rope_forward.ts";
import { invariant } from "../lib/errors.ts";
import type { ModelContext } from "../model/context.ts";
import { attentionOptions, ropeArgs } from "../model/decoder_block.ts";
import { groupForward } from "../model/linear_group.ts";
import { normForward } from "../model/norm.ts";
import { isGated } from "../model/spec.ts";
import type { LayerWeights, NormWeights } from "../model/weights.ts";
import type { KvCache } from "./kv_cache.ts";

/** Queries and keys of a layer's tokens, rotated; the values lie in qkv. */
export interface AttentionInputs {
  /** (N, (H + 2K) D) */
  readonly qkv: Tensor;
  /** (N, H D) */
  readonly q: Tensor;
  /** (N, K D) */
  readonly k: Tensor;
}

function layerWeights({ weights }: ModelContext, layer: number): LayerWeights {
  const found = weights.layers[layer];
  invariant(found, `no layer ${layer}`);
  return found;
}

/** The part of a block before its attention, for x (N, C): exactly as the training forward does it. */
export function attentionInputs(context: ModelContext, layer: number, x: Tensor): AttentionInputs {
  const { recorder, profile, spec, capacity } = context;
  const weights = layerWeights(context, layer);
  const { heads, kvHeads, headDim } = spec;
  const alloc = (name: string, width: number) =>
    recorder.alloc(`layer${layer}.${name}`, [capacity.N, width * headDim]);
  const { y: normed } = normForward(context, x, weights.inputNorm, "N", `layer${layer}.inputNorm`);
  const qkv = alloc("qkv", heads + 2 * kvHeads);
  groupForward(context, { x: normed, y: qkv }, weights.qkv, context.adapter?.layers[layer]?.qkv);
  const q = alloc("q", heads);
  const k = alloc("k", kvHeads);
  const { options, tensors } = ropeArgs(context, layer);
  const { qNorm, kNorm } = weights;
  ropeForward(recorder, profile, { qkv, q, k, qNorm, kNorm, ...tensors }, options);
  return { qkv, q, k };
}

/** Puts the keys and values of step.N tokens where `targets` (N, 2) says. */
export function appendToCache(
  { recorder, profile, spec }: ModelContext,
  cache: KvCache,
  layer: number,
  { k, qkv }: Pick<AttentionInputs, "k" | "qkv">,
  targets: Tensor,
): void {
  const tensors = cache.layers[layer];
  invariant(tensors, `no cache of layer ${layer}`);
  const { heads, kvHeads, headDim } = spec;
  const options = { heads, kvHeads, headDim, maxLength: cache.maxLength, rows: "N" } as const;
  kvAppend(recorder, profile, { k, qkv, targets, ...tensors }, options);
}

/** One decoder block for one new token of each sequence, over cached keys and values. x, result: (N, C). */
export function decodeBlock(
  context: ModelContext,
  cache: KvCache,
  tables: { readonly targets: Tensor; readonly sequences: Tensor },
  layer: number,
  x: Tensor,
): Tensor {
  const { recorder, profile, spec, capacity } = context;
  const weights = layerWeights(context, layer);
  const inputs = attentionInputs(context, layer, x);
  appendToCache(context, cache, layer, inputs, tables.targets);
  const attention = recorder.alloc(`layer${layer}.attention`, inputs.q.shape);
  const tensors = cache.layers[layer];
  invariant(tensors, `no cache of layer ${layer}`);
  attentionDecode(
    recorder,
    profile,
    { q: inputs.q, out: attention, sequences: tables.sequences, ...tensors },
    { ...attentionOptions(spec, layer), maxLength: cache.maxLength },
  );
  const middle = branch(context, layer, "output", { x: attention, residual: x }, weights.postAttentionNorm);

  const { y: normed } = normForward(context, middle, weights.mlpNorm, "N", `layer${layer}.mlpNorm`);
  const gated = isGated(spec);
  const up = recorder.alloc(`layer${layer}.up`, [capacity.N, gated ? 2 * spec.mlp : spec.mlp]);
  groupForward(context, { x: normed, y: up }, weights.up, context.adapter?.layers[layer]?.up);
  const activated = recorder.alloc(`layer${layer}.activated`, [capacity.N, spec.mlp]);
  if (gated) gluForward(recorder, { gateUp: up, h: activated }, { act: spec.activation });
  else geluForward(recorder, { x: up, y: activated });
  return branch(context, layer, "down", { x: activated, residual: middle }, weights.postMlpNorm);
}

/** residual + linear(x), with a norm before the addition where the model has one. Result: (N, C). */
function branch(
  context: ModelContext,
  layer: number,
  name: "output" | "down",
  { x, residual }: { readonly x: Tensor; readonly residual: Tensor },
  norm: NormWeights | undefined,
): Tensor {
  const { recorder, spec, capacity } = context;
  const group = layerWeights(context, layer)[name];
  const adapter = context.adapter?.layers[layer]?.[name];
  const label = `layer${layer}.${name}`;
  const y = recorder.alloc(label, [capacity.N, spec.hidden]);
  if (!norm) {
    groupForward(context, { x, y, residual }, group, adapter);
    return y;
  }
  const raw = recorder.alloc(`${label}.branch`, [capacity.N, spec.hidden]);
  groupForward(context, { x, y: raw }, group, adapter);
  const { y: normed } = normForward(context, raw, norm, "N", `${label}.norm`);
  addTensors(recorder, { a: residual, b: normed, y });
  return y;
}
