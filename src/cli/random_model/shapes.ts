/** Configurations of published models, and small ones of every architecture, without special tokens. */

const QWEN3 = {
  architectures: ["Qwen3ForCausalLM"],
  ...{ model_type: "qwen3", hidden_act: "silu", rms_norm_eps: 1e-6, attention_bias: false },
};
const QWEN2 = {
  architectures: ["Qwen2ForCausalLM"],
  ...{ model_type: "qwen2", hidden_act: "silu", rms_norm_eps: 1e-6, use_sliding_window: false },
};
const LLAMA = {
  architectures: ["LlamaForCausalLM"],
  ...{ model_type: "llama", hidden_act: "silu", rms_norm_eps: 1e-5, attention_bias: false, mlp_bias: false },
};
const GEMMA3 = {
  architectures: ["Gemma3ForCausalLM"],
  ...{ model_type: "gemma3_text", hidden_activation: "gelu_pytorch_tanh", rms_norm_eps: 1e-6 },
  ...{ rope_theta: 1e6, rope_local_base_freq: 10000, attention_bias: false, tie_word_embeddings: true },
};
const MISTRAL = {
  architectures: ["MistralForCausalLM"],
  ...{ model_type: "mistral", hidden_act: "silu", rms_norm_eps: 1e-5 },
};
const PHI3 = {
  architectures: ["Phi3ForCausalLM"],
  ...{ model_type: "phi3", hidden_act: "silu", rms_norm_eps: 1e-5 },
};
/** transformers wants the softcaps as floats, which JSON does not keep apart from integers: the published are 50 and 30. */
const GEMMA2 = {
  architectures: ["Gemma2ForCausalLM"],
  ...{ model_type: "gemma2", hidden_activation: "gelu_pytorch_tanh", rms_norm_eps: 1e-6 },
  ...{ attn_logit_softcapping: 50.5, final_logit_softcapping: 30.5, rope_theta: 10000 },
};
const GPT2 = {
  architectures: ["GPT2LMHeadModel"],
  ...{ model_type: "gpt2", activation_function: "gelu_new", layer_norm_epsilon: 1e-5 },
};

interface Sizes {
  readonly vocab: number;
  readonly hidden: number;
  readonly mlp: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly positions: number;
}

function sized({ vocab, hidden, mlp, layers, heads, kvHeads, headDim, positions }: Sizes) {
  return {
    ...{ vocab_size: vocab, hidden_size: hidden, intermediate_size: mlp, num_hidden_layers: layers },
    ...{ num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: headDim },
    ...{ max_position_embeddings: positions },
  };
}

/** Five of six layers look back 512 tokens, or as many as the window has. */
function gemma3Layers(layers: number, window: number) {
  const types = Array.from({ length: layers }, (_, i) =>
    (i + 1) % 6 === 0 ? "full_attention" : "sliding_attention",
  );
  return { layer_types: types, sliding_window: window };
}

const TINY = {
  ...{ vocab: 1031, hidden: 48, mlp: 80, layers: 2, heads: 4, kvHeads: 2, headDim: 12, positions: 256 },
};

type Shape = Readonly<Record<string, unknown>>;

/** By the name that `--shape` takes. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  "qwen3-0.6b": {
    ...QWEN3,
    ...sized({
      ...{ vocab: 151936, hidden: 1024, mlp: 3072, layers: 28 },
      ...{ heads: 16, kvHeads: 8, headDim: 128, positions: 40960 },
    }),
    ...{ rope_theta: 1e6, tie_word_embeddings: true },
  },
  "qwen2.5-0.5b": {
    ...QWEN2,
    ...sized({
      ...{ vocab: 151936, hidden: 896, mlp: 4864, layers: 24 },
      ...{ heads: 14, kvHeads: 2, headDim: 64, positions: 32768 },
    }),
    ...{ rope_theta: 1e6, tie_word_embeddings: true },
  },
  "smollm2-135m": {
    ...LLAMA,
    ...sized({
      ...{ vocab: 49152, hidden: 576, mlp: 1536, layers: 30 },
      ...{ heads: 9, kvHeads: 3, headDim: 64, positions: 8192 },
    }),
    ...{ rope_theta: 100000, tie_word_embeddings: true },
  },
  "llama-3.2-1b": {
    ...LLAMA,
    ...sized({
      ...{ vocab: 128256, hidden: 2048, mlp: 8192, layers: 16 },
      ...{ heads: 32, kvHeads: 8, headDim: 64, positions: 131072 },
    }),
    ...{ rope_theta: 500000, tie_word_embeddings: true },
    rope_scaling: {
      ...{ rope_type: "llama3", factor: 32, low_freq_factor: 1, high_freq_factor: 4 },
      original_max_position_embeddings: 8192,
    },
  },
  "gemma-3-270m": {
    ...GEMMA3,
    ...sized({
      ...{ vocab: 262144, hidden: 640, mlp: 2048, layers: 18 },
      ...{ heads: 4, kvHeads: 1, headDim: 256, positions: 32768 },
    }),
    ...{ query_pre_attn_scalar: 256, ...gemma3Layers(18, 512) },
  },
  gpt2: { ...GPT2, vocab_size: 50257, n_embd: 768, n_layer: 12, n_head: 12, n_positions: 1024 },
  "tiny-qwen3": { ...QWEN3, ...sized(TINY), rope_theta: 10000, tie_word_embeddings: true },
  "tiny-qwen2": { ...QWEN2, ...sized(TINY), rope_theta: 10000, tie_word_embeddings: false },
  "tiny-llama": { ...LLAMA, ...sized(TINY), rope_theta: 10000, tie_word_embeddings: true },
  "tiny-gemma3": {
    ...GEMMA3,
    ...sized({ ...TINY, layers: 6 }),
    ...{ query_pre_attn_scalar: 12, ...gemma3Layers(6, 8) },
  },
  "tiny-mistral": { ...MISTRAL, ...sized(TINY), rope_theta: 10000, sliding_window: 8 },
  "tiny-phi3": { ...PHI3, ...sized(TINY), rope_theta: 10000, sliding_window: null },
  "tiny-gemma2": {
    ...{ ...GEMMA2, ...sized(TINY), tie_word_embeddings: true },
    ...{ query_pre_attn_scalar: 12, sliding_window: 8 },
  },
  "tiny-gpt2": { ...GPT2, vocab_size: 1031, n_embd: 48, n_layer: 2, n_head: 4, n_positions: 256 },
  /** An embedding of 80 MiB in 16 bits and 160 in 32: more than the 128 MiB that every GPU binds. */
  "large-vocabulary": {
    ...QWEN3,
    ...sized({
      ...{ vocab: 262144, hidden: 160, mlp: 320, layers: 1 },
      ...{ heads: 2, kvHeads: 1, headDim: 80, positions: 1024 },
    }),
    ...{ rope_theta: 1e6, tie_word_embeddings: true },
  },
};
