import type { ConfigReader } from "../config_reader.ts";
import type { ModelSpec } from "../spec.ts";
import { headDimOf, layerTypes, llamaFamily } from "./llama_family.ts";

/** Qwen2 and Qwen2.5. arXiv:2407.10671: Llama with biases on q, k and v. */
export function qwen2(config: ConfigReader): ModelSpec {
  config.only("hidden_act", ["silu"], "this activation");
  const headDim = headDimOf(config);
  const sliding = config.flag("use_sliding_window", false);
  const firstSliding = sliding ? config.number("max_window_layers", 28) : 0;
  const types = layerTypes(config, (index) =>
    sliding && index >= firstSliding ? "sliding_attention" : "full_attention",
  );
  return llamaFamily(config, {
    modelType: "qwen2",
    headDim,
    norm: { kind: "rmsnorm", eps: config.number("rms_norm_eps", 1e-6), offset: 0 },
    activation: "silu",
    bias: { qkv: true, output: false, mlp: false },
    qkNorm: false,
    postNorms: false,
    embeddingScale: 1,
    attentionScale: headDim ** -0.5,
    attentionSoftcap: 0,
    finalSoftcap: 0,
    rope: { full: config.rope(headDim) },
    layer: (index) => ({
      rope: "full",
      window: types[index] === "sliding_attention" && sliding ? config.count("sliding_window") : 0,
    }),
  });
}
