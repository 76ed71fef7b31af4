import type { ConfigReader } from "../config_reader.ts";
import { readRope } from "../rope_config.ts";
import type { ModelSpec } from "../spec.ts";
import { headDimOf, llamaFamily, qwenWindows } from "./llama_family.ts";

/** Qwen2 and Qwen2.5. arXiv:2407.10671: Llama with biases on q, k and v. */
export function qwen2(config: ConfigReader): ModelSpec {
  config.only("hidden_act", ["silu"], "this activation");
  const headDim = headDimOf(config);
  const window = qwenWindows(config);
  return llamaFamily(config, {
    modelType: "qwen2",
    headDim,
    norm: { kind: "rmsnorm", eps: config.number("rms_norm_eps", 1e-6), offset: 0 },
    bias: { qkv: true, output: false, mlp: false },
    absent: { tied: false, kvHeads: 32, maxPositions: 32768 },
    rope: { full: readRope(config, headDim) },
    layer: (index) => ({ rope: "full", window: window(index) }),
  });
}
