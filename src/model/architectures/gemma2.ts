import type { ConfigReader } from "../config_reader.ts";
import { readRope } from "../rope_config.ts";
import type { ModelSpec } from "../spec.ts";
import { headDimOf, layerTypes, llamaFamily } from "./llama_family.ts";

/**
 * Gemma 2. arXiv:2408.00118: norms with 1 + weight around both branches, a scaled embedding, GeGLU, softcaps on the scores
 * of attention and on the logits, and a sliding window in every other layer, beginning with the first.
 */
export function gemma2(config: ConfigReader): ModelSpec {
  config.only("hidden_activation", ["gelu_pytorch_tanh"], "this activation");
  config.only("use_bidirectional_attention", [false], "bidirectional attention");
  const headDim = config.has("head_dim") ? headDimOf(config) : 256;
  const bias = config.flag("attention_bias", false);
  const types = layerTypes(config, (index) => (index % 2 === 0 ? "sliding_attention" : "full_attention"));
  const window = config.optionalCount("sliding_window", 4096);
  if (window === undefined && types.includes("sliding_attention"))
    throw config.bad("sliding_window", "a number, as layers have sliding attention");
  return llamaFamily(config, {
    modelType: "gemma2",
    headDim,
    norm: { kind: "rmsnorm", eps: config.number("rms_norm_eps", 1e-6), offset: 1 },
    activation: "gelu_tanh",
    bias: { qkv: bias, output: bias, mlp: false },
    absent: { tied: true, kvHeads: 4, maxPositions: 8192 },
    postNorms: true,
    embeddingScale: Math.sqrt(config.count("hidden_size")),
    attentionScale: config.positive("query_pre_attn_scalar", 256) ** -0.5,
    attentionSoftcap: config.optional("attn_logit_softcapping", 50) ?? 0,
    finalSoftcap: config.optional("final_logit_softcapping", 30) ?? 0,
    rope: { full: readRope(config, headDim) },
    layer: (index) => ({
      rope: "full",
      window: types[index] === "sliding_attention" ? (window ?? 0) : 0,
    }),
  });
}
