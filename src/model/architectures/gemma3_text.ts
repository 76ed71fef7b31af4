import type { ConfigReader } from "../config_reader.ts";
import { readRope } from "../rope_config.ts";
import type { ModelSpec } from "../spec.ts";
import { headDimOf, layerTypes, llamaFamily } from "./llama_family.ts";

/**
 * Gemma 3, text only. arXiv:2503.19786: norms with 1 + weight around both branches, query and key norms, a scaled
 * embedding, GeGLU, and five layers of sliding-window attention (with their own rotary base) to each full one.
 */
export function gemma3Text(config: ConfigReader): ModelSpec {
  config.only("hidden_activation", ["gelu_pytorch_tanh"], "this activation");
  config.only("use_bidirectional_attention", [false], "bidirectional attention");
  const headDim = config.has("head_dim") ? headDimOf(config) : 256;
  const bias = config.flag("attention_bias", false);
  const pattern = config.count("sliding_window_pattern", config.count("_sliding_window_pattern", 6));
  const types = layerTypes(config, (index) =>
    (index + 1) % pattern === 0 ? "full_attention" : "sliding_attention",
  );
  const window = config.optionalCount("sliding_window", 4096);
  if (window === undefined && types.includes("sliding_attention"))
    throw config.bad("sliding_window", "a number, as layers have sliding attention");
  return llamaFamily(config, {
    modelType: "gemma3_text",
    headDim,
    norm: { kind: "rmsnorm", eps: config.number("rms_norm_eps", 1e-6), offset: 1 },
    activation: "gelu_tanh",
    bias: { qkv: bias, output: bias, mlp: false },
    qkNorm: true,
    absent: { tied: true, kvHeads: 4, maxPositions: 131072 },
    postNorms: true,
    embeddingScale: Math.sqrt(config.count("hidden_size")),
    attentionScale: config.positive("query_pre_attn_scalar", 256) ** -0.5,
    // The reference implementation ignores attn_logit_softcapping for this architecture.
    attentionSoftcap: 0,
    finalSoftcap: config.optional("final_logit_softcapping", undefined) ?? 0,
    rope: {
      full: readRope(config, headDim, { layerType: "full_attention", theta: 1e6 }),
      sliding: readRope(config, headDim, {
        layerType: "sliding_attention",
        thetaKey: "rope_local_base_freq",
        scaled: false,
      }),
    },
    layer: (index) =>
      types[index] === "full_attention"
        ? { rope: "full", window: 0 }
        : { rope: "sliding", window: window ?? 0 },
  });
}
