import { type RandomModel, randomModel } from "../random_model/random_folder.ts";

/** A Qwen3 of a million parameters, as its config.json says it. */
function configOf(layers: number): Readonly<Record<string, unknown>> {
  return {
    architectures: ["Qwen3ForCausalLM"],
    model_type: "qwen3",
    vocab_size: 2048,
    hidden_size: 128,
    intermediate_size: 384,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 32,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    tie_word_embeddings: true,
    max_position_embeddings: 1024,
    hidden_act: "silu",
    torch_dtype: "float32",
  };
}

/** The model with random weights, made where they are read; always the same. */
export function smallModel(layers: number): Promise<RandomModel> {
  return randomModel("random", configOf(layers), { seed: 1, dtype: "F32", deviation: 0.05 });
}
