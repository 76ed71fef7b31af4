import type { ConfigReader } from "../config_reader.ts";
import { readRope } from "../rope_config.ts";
import type { ModelSpec } from "../spec.ts";
import { headDimOf, llamaFamily } from "./llama_family.ts";

/** Mistral 7B and Nemo. arXiv:2310.06825: Llama with a sliding window in every layer, which later versions set to null. */
export function mistral(config: ConfigReader): ModelSpec {
  config.only("hidden_act", ["silu"], "this activation");
  const headDim = headDimOf(config);
  const window = config.optionalCount("sliding_window", 4096) ?? 0;
  return llamaFamily(config, {
    modelType: "mistral",
    headDim,
    norm: { kind: "rmsnorm", eps: config.number("rms_norm_eps", 1e-6), offset: 0 },
    absent: { tied: false, kvHeads: 8, maxPositions: 131072 },
    rope: { full: readRope(config, headDim) },
    layer: () => ({ rope: "full", window }),
  });
}
