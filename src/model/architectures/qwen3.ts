import type { ConfigReader } from "../config_reader.ts";
import { readRope } from "../rope_config.ts";
import type { ModelSpec } from "../spec.ts";
import { headDimOf, llamaFamily, qwenWindows } from "./llama_family.ts";

/** Qwen3 (dense). arXiv:2505.09388: Llama with RMSNorm on each query and key head and a head size of its own. */
export function qwen3(config: ConfigReader): ModelSpec {
  config.only("hidden_act", ["silu"], "this activation");
  const headDim = config.has("head_dim") ? headDimOf(config) : 128;
  const bias = config.flag("attention_bias", false);
  const window = qwenWindows(config);
  return llamaFamily(config, {
    modelType: "qwen3",
    headDim,
    norm: { kind: "rmsnorm", eps: config.number("rms_norm_eps", 1e-6), offset: 0 },
    bias: { qkv: bias, output: bias, mlp: false },
    qkNorm: true,
    absent: { tied: false, kvHeads: 32, maxPositions: 32768 },
    rope: { full: readRope(config, headDim) },
    layer: (index) => ({ rope: "full", window: window(index) }),
  });
}
