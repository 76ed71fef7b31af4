import { describe, expect, it } from "vitest";
import { type architectures, readModelSpec } from "../../src/model/registry.ts";
import { projectionsOf } from "../../src/model/spec.ts";

const LLAMA_LIKE = {
  vocab_size: 61,
  hidden_size: 32,
  intermediate_size: 40,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};
const CONFIGS: Readonly<Record<keyof typeof architectures, Record<string, unknown>>> = {
  qwen3: LLAMA_LIKE,
  qwen2: LLAMA_LIKE,
  llama: LLAMA_LIKE,
  mistral: LLAMA_LIKE,
  phi3: LLAMA_LIKE,
  gemma2: LLAMA_LIKE,
  gemma3_text: LLAMA_LIKE,
  gpt2: { vocab_size: 61, n_embd: 32, n_head: 4, n_layer: 3 },
};
type ModelType = keyof typeof architectures;
const TYPES = Object.keys(CONFIGS) as ModelType[];

const read = (type: string, changes: object = {}) =>
  readModelSpec({ model_type: type, ...CONFIGS[type as ModelType], ...changes });

const refusal = (type: string, changes: object) => {
  try {
    read(type, changes);
  } catch (error) {
    return error as Error & { code: string; details: Record<string, unknown> };
  }
  throw new Error(`${JSON.stringify(changes)} was accepted`);
};

describe("a key that config.json leaves out is transformers' default for the architecture", () => {
  it.each([
    ["qwen3", { headDim: 128, head: "lm_head", maxPositions: 32768 }],
    ["qwen2", { headDim: 8, head: "lm_head", maxPositions: 32768 }],
    ["llama", { headDim: 8, head: "lm_head", maxPositions: 2048 }],
    ["mistral", { headDim: 8, head: "lm_head", maxPositions: 131072 }],
    ["phi3", { headDim: 8, head: "lm_head", maxPositions: 4096 }],
    ["gemma2", { headDim: 256, head: "model.embed_tokens", maxPositions: 8192 }],
    ["gemma3_text", { headDim: 256, head: "model.embed_tokens", maxPositions: 131072 }],
    ["gpt2", { headDim: 8, head: "wte", maxPositions: 1024 }],
  ] as const)("%s: head size, tied head, positions", (type, expected) => {
    expect(read(type)).toMatchObject(expected);
  });

  it.each(TYPES)("%s: the head follows tie_word_embeddings where that is given", (type) => {
    for (const tied of [true, false]) {
      const { head, embedding } = read(type, { tie_word_embeddings: tied });
      expect(head === embedding).toBe(tied);
    }
  });

  it("takes as many key heads as query heads for null, and the architecture's own number for no key", () => {
    const many = { num_attention_heads: 16, hidden_size: 64, head_dim: 8 };
    const keyHeads = (type: string, value: unknown) =>
      read(type, { ...many, num_key_value_heads: value }).kvHeads;
    expect(keyHeads("mistral", undefined)).toBe(8);
    expect(keyHeads("mistral", null)).toBe(16);
    expect(keyHeads("gemma2", undefined)).toBe(4);
    expect(keyHeads("llama", undefined)).toBe(16);
  });

  it("gives Gemma 2 its softcaps, and none for null", () => {
    expect(read("gemma2")).toMatchObject({ attentionSoftcap: 50, finalSoftcap: 30, attentionScale: 1 / 16 });
    const off = { attn_logit_softcapping: null, final_logit_softcapping: null };
    expect(read("gemma2", off)).toMatchObject({ attentionSoftcap: 0, finalSoftcap: 0 });
    expect(read("gemma3_text")).toMatchObject({ attentionSoftcap: 0, finalSoftcap: 0 });
  });
});

describe("sliding windows", () => {
  const windows = (type: string, changes: object = {}) =>
    read(type, changes).layers.map(({ window }) => window);

  it.each([
    ["mistral: 4096 where the key is absent", "mistral", {}, [4096, 4096, 4096]],
    ["mistral: null is none", "mistral", { sliding_window: null }, [0, 0, 0]],
    ["phi3: none where the key is absent", "phi3", {}, [0, 0, 0]],
    ["phi3: in every layer", "phi3", { sliding_window: 7 }, [7, 7, 7]],
    ["gemma2: every other layer", "gemma2", { sliding_window: 7 }, [7, 0, 7]],
    ["gemma3: the older pattern", "gemma3_text", { sliding_window: 7, sliding_window_pattern: 3 }, [7, 7, 0]],
    ["qwen2: unused", "qwen2", { sliding_window: 7, max_window_layers: 1 }, [0, 0, 0]],
    [
      "qwen3: from max_window_layers on",
      "qwen3",
      { use_sliding_window: true, sliding_window: 7, max_window_layers: 1 },
      [0, 7, 7],
    ],
    [
      "qwen2: layer_types win over max_window_layers",
      "qwen2",
      {
        use_sliding_window: true,
        sliding_window: 7,
        max_window_layers: 1,
        layer_types: ["sliding_attention", "full_attention", "full_attention"],
      },
      [7, 0, 0],
    ],
  ])("%s", (_, type, changes, expected) => {
    expect(windows(type, changes)).toEqual(expected);
  });
});

it("names Phi-3's fused projections as its file and PEFT do", () => {
  const spec = read("phi3");
  const modules = projectionsOf(spec).map(({ module, outputs }) => [module.split(".").at(-1), outputs]);
  expect(modules.slice(0, 4)).toEqual([
    ["qkv_proj", 64],
    ["o_proj", 32],
    ["gate_up_proj", 80],
    ["down_proj", 32],
  ]);
});

describe("values that cannot be", () => {
  it.each([
    ["head_dim", "llama", { head_dim: 0 }],
    ["hidden_size", "llama", { hidden_size: 30 }],
    ["hidden_size", "mistral", { hidden_size: "32" }],
    ["num_key_value_heads", "phi3", { num_key_value_heads: 3 }],
    ["sliding_window", "mistral", { sliding_window: -1 }],
    ["sliding_window", "phi3", { sliding_window: 4.5 }],
    ["sliding_window", "gemma2", { sliding_window: null }],
    ["layer_types", "gemma2", { layer_types: ["full_attention"] }],
    ["layer_types", "qwen3", { layer_types: ["full_attention", "full_attention", "linear_attention"] }],
    ["query_pre_attn_scalar", "gemma2", { query_pre_attn_scalar: 0 }],
    ["attn_logit_softcapping", "gemma2", { attn_logit_softcapping: "50" }],
    ["tie_word_embeddings", "llama", { tie_word_embeddings: "yes" }],
    ["rms_norm_eps", "qwen2", { rms_norm_eps: "1e-6" }],
    ["rope_theta", "llama", { rope_theta: 0 }],
    ["factor", "llama", { rope_scaling: { type: "linear" } }],
    ["factor", "llama", { rope_parameters: { rope_type: "yarn", factor: "4" } }],
    ["short_factor", "phi3", { rope_scaling: { type: "longrope", short_factor: [1], long_factor: [1] } }],
    ["partial_rotary_factor", "phi3", { partial_rotary_factor: 1.5 }],
    ["rope_scaling", "llama", { rope_scaling: "linear" }],
  ])("are refused with the key: %s of %s", (key, type, changes) => {
    const { code, message } = refusal(type, changes);
    expect(code).toBe("model-invalid");
    expect(message).toContain(key);
  });

  it.each([
    ["head sizes that the kernels lack", "llama", { head_dim: 6 }, "head_dim"],
    [
      "a fraction of rotated channels that the architecture lacks",
      "llama",
      { partial_rotary_factor: 0.5 },
      "part",
    ],
    ["an activation", "phi3", { hidden_act: "gelu" }, "hidden_act"],
    ["a quantised checkpoint", "llama", { quantization_config: { quant_method: "gptq" } }, "gptq"],
  ])("%s are not supported", (_, type, changes, text) => {
    const { code, message } = refusal(type, changes);
    expect(code).toBe("model-unsupported");
    expect(message).toContain(text);
  });
});

describe("a model type that is not in the table", () => {
  const PYTHIA_160M = {
    hidden_size: 768,
    num_hidden_layers: 12,
    vocab_size: 50304,
    tie_word_embeddings: false,
  };

  it.each([
    [
      "gemma3",
      { vision_config: {}, text_config: { hidden_size: 2560, num_hidden_layers: 34 } },
      "gemma3_text",
    ],
    ["phi", { hidden_size: 2048, num_hidden_layers: 24, vocab_size: 51200 }, "phi3"],
    ["qwen3_moe", { hidden_size: 2048, num_hidden_layers: 48 }, "qwen3"],
    ["mixtral", { hidden_size: 4096, num_hidden_layers: 32 }, "mistral"],
  ])("names the nearest architecture: %s", (type, changes, near) => {
    const { code, message, details } = refusal(type, changes);
    expect(code).toBe("model-unsupported");
    expect(message).toContain(`The nearest supported architecture is ${near},`);
    expect(details).toEqual({ model_type: type });
  });

  it("names a model of similar size", () => {
    expect(refusal("gpt_neox", PYTHIA_160M).message).toContain("similar size is HuggingFaceTB/SmolLM2-135M");
    expect(refusal("bloom", { n_embd: 4096, n_layer: 30, vocab_size: 250880 }).message).toContain(
      "Mistral-7B",
    );
  });

  it("says when a model also takes images", () => {
    expect(refusal("gemma3", { vision_config: {} }).message).toContain("images");
  });
});
