import type { ConfigReader } from "../config_reader.ts";
import type { ModelSpec } from "../spec.ts";
import { headDimOf, layerTypes, llamaFamily } from "./llama_family.ts";

/** Qwen3 (dense). arXiv:2505.09388: Llama with RMSNorm on each query and key head and a head size of its own. */
export function qwen3(config: ConfigReader): ModelSpec {
  config.only("hidden_act", ["silu"], "this activation");
  const headDim = config.has("head_dim") ? headDimOf(config) : 128;
  const bias = config.flag("attention_bias", false);
  const types = layerTypes(config, () => "full_attention");
  const window = config.flag("use_sliding_window", false) ? config.count("sliding_window") : 0;
  return llamaFamily(config, {
    modelType: "qwen3",
    headDim,
    norm: { kind: "rmsnorm", eps: config.number("rms_norm_eps", 1e-6), offset: 0 },
    activation: "silu",
    bias: { qkv: bias, output: bias, mlp: false },
    qkNorm: true,
    postNorms: false,
    embeddingScale: 1,
    attentionScale: headDim ** -0.5,
    attentionSoftcap: 0,
    finalSoftcap: 0,
    rope: { full: config.rope(headDim) },
    layer: (index) => ({ rope: "full", window: types[index] === "sliding_attention" ? window : 0 }),
  });
}
