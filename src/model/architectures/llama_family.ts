import type { ConfigReader } from "../config_reader.ts";
import type { Activation, LayerSpec, ModelSpec, NormSpec, RopeSpec } from "../spec.ts";

/** What distinguishes one member of the Llama family from another. */
export interface FamilyTraits {
  readonly modelType: string;
  readonly headDim: number;
  readonly norm: NormSpec;
  readonly activation: Activation;
  /** Biases of q, k and v; of o; of the MLP. */
  readonly bias: { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean };
  readonly qkNorm: boolean;
  /** Whether the head is the embedding where the file does not say: transformers leaves out what is its default. */
  readonly tied?: boolean;
  /** Gemma's four norms a layer. */
  readonly postNorms: boolean;
  readonly embeddingScale: number;
  readonly attentionScale: number;
  readonly attentionSoftcap: number;
  readonly finalSoftcap: number;
  readonly rope: Readonly<Record<string, RopeSpec>>;
  /** Per layer: which rotary table and which window (0 for none). */
  readonly layer: (index: number) => { readonly rope: string; readonly window: number };
}

/** The names and shapes that Llama, Qwen and Gemma share: `model.layers.{i}.self_attn.q_proj` and so on. */
export function llamaFamily(config: ConfigReader, traits: FamilyTraits): ModelSpec {
  const hidden = config.count("hidden_size");
  const heads = config.count("num_attention_heads");
  const kvHeads = config.count("num_key_value_heads", heads);
  const mlp = config.count("intermediate_size");
  const { headDim, bias } = traits;

  const layer = (index: number): LayerSpec => {
    const prefix = `model.layers.${index}`;
    const projection = (name: string, inputs: number, outputs: number, hasBias: boolean) => {
      const path = `${prefix}.${name}`;
      return { file: path, module: path, inputs, outputs, bias: hasBias };
    };
    return {
      inputNorm: `${prefix}.input_layernorm`,
      mlpNorm: traits.postNorms
        ? `${prefix}.pre_feedforward_layernorm`
        : `${prefix}.post_attention_layernorm`,
      postAttentionNorm: traits.postNorms ? `${prefix}.post_attention_layernorm` : undefined,
      postMlpNorm: traits.postNorms ? `${prefix}.post_feedforward_layernorm` : undefined,
      qkv: [
        projection("self_attn.q_proj", hidden, heads * headDim, bias.qkv),
        projection("self_attn.k_proj", hidden, kvHeads * headDim, bias.qkv),
        projection("self_attn.v_proj", hidden, kvHeads * headDim, bias.qkv),
      ],
      qNorm: traits.qkNorm ? `${prefix}.self_attn.q_norm` : undefined,
      kNorm: traits.qkNorm ? `${prefix}.self_attn.k_norm` : undefined,
      output: projection("self_attn.o_proj", heads * headDim, hidden, bias.output),
      up: [
        projection("mlp.gate_proj", hidden, mlp, bias.mlp),
        projection("mlp.up_proj", hidden, mlp, bias.mlp),
      ],
      down: projection("mlp.down_proj", mlp, hidden, bias.mlp),
      ...traits.layer(index),
    };
  };

  const embedding = "model.embed_tokens";
  return {
    modelType: traits.modelType,
    vocab: config.count("vocab_size"),
    hidden,
    heads,
    kvHeads,
    headDim,
    mlp,
    maxPositions: config.count("max_position_embeddings", 2048),
    norm: traits.norm,
    embeddingScale: traits.embeddingScale,
    rope: traits.rope,
    positionTable: undefined,
    attentionScale: traits.attentionScale,
    attentionSoftcap: traits.attentionSoftcap,
    finalSoftcap: traits.finalSoftcap,
    activation: traits.activation,
    conv1d: false,
    embedding,
    finalNorm: "model.norm",
    head: config.flag("tie_word_embeddings", traits.tied ?? false) ? embedding : "lm_head",
    layers: Array.from({ length: config.count("num_hidden_layers") }, (_, index) => layer(index)),
  };
}

/** head_dim, or hidden_size / num_attention_heads where the config does not say. */
export function headDimOf(config: ConfigReader): number {
  return config.count("head_dim", config.count("hidden_size") / config.count("num_attention_heads"));
}

/** Layer types of the config, or `fallback` for each layer. */
export function layerTypes(config: ConfigReader, fallback: (index: number) => string): string[] {
  if (config.has("layer_types")) return config.list("layer_types").map(String);
  return Array.from({ length: config.count("num_hidden_layers") }, (_, index) => fallback(index));
}
