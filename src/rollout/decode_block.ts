import type { Tensor } from "../gpu/tensor.ts";
import { attentionDecode } from "../kernels/attention/attention_decode.ts";
import { kvAppend } from "../kernels/attention/kv_append.ts";
import { invariant } from "../lib/errors.ts";
import {
  type AttentionInputs,
  attentionEnd,
  attentionInputs,
  attentionOptions,
} from "../model/attention_branch.ts";
import type { ModelContext } from "../model/context.ts";
import { mlpBranch } from "../model/mlp_branch.ts";
import type { KvCache } from "./kv_cache.ts";

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

/**
 * One decoder block for one new token of each sequence, over cached keys and values: the training block with its attention
 * exchanged. x, result: (N, C).
 */
export function decodeBlock(
  context: ModelContext,
  cache: KvCache,
  tables: { readonly targets: Tensor; readonly sequences: Tensor },
  layer: number,
  x: Tensor,
): Tensor {
  const { recorder, profile } = context;
  const inputs = attentionInputs(context, layer, x);
  appendToCache(context, cache, layer, inputs, tables.targets);
  const out = recorder.alloc(`layer${layer}.attended`, inputs.q.shape);
  const tensors = cache.layers[layer];
  invariant(tensors, `no cache of layer ${layer}`);
  attentionDecode(
    recorder,
    profile,
    { q: inputs.q, out, sequences: tables.sequences, ...tensors },
    { ...attentionOptions(context, layer), maxLength: cache.maxLength },
  );
  return mlpBranch(context, layer, attentionEnd(context, layer, out, x).y).end.y;
}
