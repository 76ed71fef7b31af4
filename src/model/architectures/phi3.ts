import type { ConfigReader } from "../config_reader.ts";
import { readRope } from "../rope_config.ts";
import type { ModelSpec } from "../spec.ts";
import { headDimOf, llamaFamily } from "./llama_family.ts";

/**
 * Phi-3, Phi-3.5 and Phi-4 mini. arXiv:2404.14219: Llama with q, k, v in one projection and gate, up in another, a window
 * in every layer, and in the long-context versions two sets of rotary factors (LongRoPE, arXiv:2402.13753).
 */
export function phi3(config: ConfigReader): ModelSpec {
  config.only("hidden_act", ["silu"], "this activation");
  const headDim = headDimOf(config);
  const window = config.optionalCount("sliding_window", undefined) ?? 0;
  return llamaFamily(config, {
    modelType: "phi3",
    headDim,
    norm: { kind: "rmsnorm", eps: config.number("rms_norm_eps", 1e-5), offset: 0 },
    fused: true,
    absent: { tied: false, maxPositions: 4096 },
    rope: {
      full: readRope(config, headDim, {
        partial: true,
        originalMaxPositions: 4096,
        // Names of longrope in the first releases.
        alias: { su: "longrope", yarn: "longrope" },
      }),
    },
    layer: () => ({ rope: "full", window }),
  });
}
