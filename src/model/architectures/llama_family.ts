import type { ConfigReader } from "../config_reader.ts";
import type { Activation, LayerSpec, ModelSpec, NormSpec, RopeSpec } from "../spec.ts";

/** What distinguishes one member of the Llama family from another. */
export interface FamilyTraits {
  readonly modelType: string;
  readonly headDim: number;
  readonly norm: NormSpec;
  readonly activation?: Activation;
  /** Biases of q, k and v; of o; of the MLP. None when absent. */
  readonly bias?: { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean };
  readonly qkNorm?: boolean;
  /** Phi-3: q, k and v are one projection in the file, and so are gate and up. */
  readonly fused?: boolean;
  /** What the file leaves out where it is transformers' default for the architecture. */
  readonly absent: {
    /** Whether the head is the embedding. */
    readonly tied: boolean;
    /** As many as query heads when undefined. */
    readonly kvHeads?: number;
    readonly maxPositions: number;
  };
  /** Gemma's four norms a layer. */
  readonly postNorms?: boolean;
  readonly embeddingScale?: number;
  /** The root of headDim, inverted, when absent. */
  readonly attentionScale?: number;
  readonly attentionSoftcap?: number;
  readonly finalSoftcap?: number;
  readonly rope: Readonly<Record<string, RopeSpec>>;
  /** Per layer: which rotary table and which window (0 for none). */
  readonly layer: (index: number) => { readonly rope: string; readonly window: number };
}

/** The names and shapes that Llama, Qwen, Mistral, Gemma and Phi-3 share: `model.layers.{i}.self_attn.q_proj` and so on. */
export function llamaFamily(config: ConfigReader, traits: FamilyTraits): ModelSpec {
  const hidden = config.count("hidden_size");
  const heads = config.count("num_attention_heads");
  const kvHeads = kvHeadsOf(config, heads, traits.absent.kvHeads);
  const mlp = config.count("intermediate_size");
  const {
    headDim,
    bias = { qkv: false, output: false, mlp: false },
    fused = false,
    postNorms = false,
  } = traits;

  const layer = (index: number): LayerSpec => {
    const prefix = `model.layers.${index}`;
    const projection = (name: string, inputs: number, outputs: number, hasBias: boolean) => {
      const path = `${prefix}.${name}`;
      return { file: path, module: path, inputs, outputs, bias: hasBias };
    };
    const qkv = (name: string, count: number) =>
      projection(`self_attn.${name}`, hidden, count * headDim, bias.qkv);
    const up = (name: string, count: number) => projection(`mlp.${name}`, hidden, count * mlp, bias.mlp);
    return {
      inputNorm: `${prefix}.input_layernorm`,
      mlpNorm: postNorms ? `${prefix}.pre_feedforward_layernorm` : `${prefix}.post_attention_layernorm`,
      postAttentionNorm: postNorms ? `${prefix}.post_attention_layernorm` : undefined,
      postMlpNorm: postNorms ? `${prefix}.post_feedforward_layernorm` : undefined,
      qkv: fused
        ? [qkv("qkv_proj", heads + 2 * kvHeads)]
        : [qkv("q_proj", heads), qkv("k_proj", kvHeads), qkv("v_proj", kvHeads)],
      qNorm: traits.qkNorm ? `${prefix}.self_attn.q_norm` : undefined,
      kNorm: traits.qkNorm ? `${prefix}.self_attn.k_norm` : undefined,
      output: projection("self_attn.o_proj", heads * headDim, hidden, bias.output),
      up: fused ? [up("gate_up_proj", 2)] : [up("gate_proj", 1), up("up_proj", 1)],
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
    maxPositions: config.count("max_position_embeddings", traits.absent.maxPositions),
    norm: traits.norm,
    embeddingScale: traits.embeddingScale ?? 1,
    rope: traits.rope,
    positionTable: undefined,
    attentionScale: traits.attentionScale ?? headDim ** -0.5,
    attentionSoftcap: traits.attentionSoftcap ?? 0,
    finalSoftcap: traits.finalSoftcap ?? 0,
    activation: traits.activation ?? "silu",
    conv1d: false,
    embedding,
    finalNorm: "model.norm",
    head: config.flag("tie_word_embeddings", traits.absent.tied) ? embedding : "lm_head",
    layers: Array.from({ length: config.count("num_hidden_layers") }, (_, index) => layer(index)),
  };
}

/** Null means one key head for each query head; a key that is absent is transformers' default for the architecture. */
function kvHeadsOf(config: ConfigReader, heads: number, absent: number | undefined): number {
  const key = "num_key_value_heads";
  const count = config.count(key, config.says(key) ? heads : (absent ?? heads));
  if (heads % count !== 0) throw config.bad(key, `a divisor of num_attention_heads, which is ${heads}`);
  return count;
}

/** head_dim, or hidden_size / num_attention_heads where the config does not say. */
export function headDimOf(config: ConfigReader): number {
  const heads = config.count("num_attention_heads");
  const hidden = config.count("hidden_size");
  if (!config.has("head_dim") && hidden % heads !== 0)
    throw config.bad(
      "hidden_size",
      `a multiple of num_attention_heads, which is ${heads}, as there is no head_dim`,
    );
  return config.count("head_dim", hidden / heads);
}

/** Layer types of the config, or `fallback` for each layer. */
export function layerTypes(config: ConfigReader, fallback: (index: number) => LayerType): LayerType[] {
  const layers = config.count("num_hidden_layers");
  if (!config.has("layer_types")) return Array.from({ length: layers }, (_, index) => fallback(index));
  const types = config.list("layer_types");
  if (types.length !== layers) throw config.bad("layer_types", `a list of ${layers}, one for each layer`);
  return types.map((type) => {
    const known = LAYER_TYPES.find((each) => each === type);
    if (!known) throw config.bad("layer_types", `a list of ${LAYER_TYPES.join(" and ")}`);
    return known;
  });
}

const LAYER_TYPES = ["full_attention", "sliding_attention"] as const;
export type LayerType = (typeof LAYER_TYPES)[number];

/** Qwen's windows: none unless use_sliding_window; then of the layers that layer_types names, or from max_window_layers on. */
export function qwenWindows(config: ConfigReader): (index: number) => number {
  const sliding = config.flag("use_sliding_window", false);
  const window = sliding ? config.optionalCount("sliding_window", 4096) : undefined;
  const first = config.number("max_window_layers", 28);
  const types = layerTypes(config, (index) => (index >= first ? "sliding_attention" : "full_attention"));
  return (index) => (window !== undefined && types[index] === "sliding_attention" ? window : 0);
}
