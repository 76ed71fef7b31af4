import type { Tensor } from "../gpu/tensor.ts";
import { linearNt } from "../kernels/linear/linear_nt.ts";
import { sampleToken } from "../kernels/sample/sample_token.ts";
import { attentionInputs } from "../model/attention_branch.ts";
import type { ModelContext } from "../model/context.ts";
import { embed } from "../model/decoder.ts";
import { blockForward } from "../model/decoder_block.ts";
import { normForward } from "../model/norm.ts";
import { appendToCache, decodeBlock } from "./decode_block.ts";
import type { DecodeTables } from "./decode_tables.ts";
import type { KvCache } from "./kv_cache.ts";

/** What a decoding step leaves on the GPU, one row a sequence: the next step starts from it. */
export interface DecodeState {
  /** (B) u32: the newest token of each sequence, the next step's input */
  readonly tokens: Tensor;
  /** (B, ceil(V / 32)) u32: bits of the tokens of prompt and answer */
  readonly seen: Tensor;
  /** (B, 2) f32: log-probabilities of the newest token */
  readonly logps: Tensor;
}

/**
 * Records the pass over packed prompts that fills the caches, by the kernels of training. Nothing reads what the last
 * layer makes of its keys and values, so it ends there.
 */
export function recordPrefill(context: ModelContext, cache: KvCache, targets: Tensor): void {
  const last = context.spec.layers.length - 1;
  let x = embed(context);
  context.spec.layers.forEach((_, layer) => {
    if (layer === last) {
      appendToCache(context, cache, layer, attentionInputs(context, layer, x), targets);
      return;
    }
    const acts = blockForward(context, layer, x);
    appendToCache(context, cache, layer, acts.attention.inputs, targets);
    x = acts.y;
  });
}

/** Records a decoding step: the newest token of each sequence in, the one after it out. */
export function recordDecode(
  context: ModelContext,
  cache: KvCache,
  tables: DecodeTables["tensors"],
  { tokens, seen, logps }: DecodeState,
): void {
  const { recorder, profile, spec, weights, capacity } = context;
  let x = embed(context);
  spec.layers.forEach((_, layer) => {
    x = decodeBlock(context, cache, tables, layer, x);
  });
  const { y: hidden } = normForward(context, x, weights.finalNorm, "N", "finalNorm");
  const z = recorder.alloc("logits", [capacity.N, spec.vocab]);
  for (const { weight, firstRow } of weights.head) {
    linearNt(recorder, profile, { x: hidden, y: z, weight }, { rows: "N", yColumn: firstRow });
  }
  const options = { vocab: spec.vocab, softcap: spec.finalSoftcap };
  sampleToken(recorder, profile, { z, seen, keys: tables.keys, tokens, logps }, options);
}
