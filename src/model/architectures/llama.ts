import type { ConfigReader } from "../config_reader.ts";
import { readRope } from "../rope_config.ts";
import type { ModelSpec } from "../spec.ts";
import { headDimOf, llamaFamily } from "./llama_family.ts";

/** Llama 2 and 3, SmolLM2, TinyLlama. arXiv:2302.13971; llama3 rotary scaling from Llama 3.1 on. */
export function llama(config: ConfigReader): ModelSpec {
  config.only("hidden_act", ["silu"], "this activation");
  const headDim = headDimOf(config);
  const attentionBias = config.flag("attention_bias", false);
  const mlpBias = config.flag("mlp_bias", false);
  return llamaFamily(config, {
    modelType: "llama",
    headDim,
    norm: { kind: "rmsnorm", eps: config.number("rms_norm_eps", 1e-6), offset: 0 },
    bias: { qkv: attentionBias, output: attentionBias, mlp: mlpBias },
    absent: { tied: false, maxPositions: 2048 },
    rope: { full: readRope(config, headDim) },
    layer: () => ({ rope: "full", window: 0 }),
  });
}
