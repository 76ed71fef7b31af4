import type { ConfigReader } from "../config_reader.ts";
import type { LayerSpec, ModelSpec } from "../spec.ts";

/**
 * GPT-2 and DialoGPT. LayerNorm with bias, learned positions, weights stored (in, out), one fused q, k, v projection.
 * The names are those of the hub's file, without the `transformer.` that module paths have.
 */
export function gpt2(config: ConfigReader): ModelSpec {
  config.only("activation_function", ["gelu_new", "gelu_pytorch_tanh"], "this activation");
  config.only("scale_attn_by_inverse_layer_idx", [false], "attention scaled by layer");
  config.only("reorder_and_upcast_attn", [false], "reordered attention");
  config.only("add_cross_attention", [false], "cross attention");
  const hidden = config.count("n_embd");
  const heads = config.count("n_head");
  const mlp = config.count("n_inner", 4 * hidden);
  const headDim = hidden / heads;

  const layer = (index: number): LayerSpec => {
    const projection = (name: string, inputs: number, outputs: number) => ({
      file: `h.${index}.${name}`,
      module: `transformer.h.${index}.${name}`,
      inputs,
      outputs,
      bias: true,
    });
    return {
      inputNorm: `h.${index}.ln_1`,
      mlpNorm: `h.${index}.ln_2`,
      postAttentionNorm: undefined,
      postMlpNorm: undefined,
      qkv: [projection("attn.c_attn", hidden, 3 * hidden)],
      qNorm: undefined,
      kNorm: undefined,
      output: projection("attn.c_proj", hidden, hidden),
      up: [projection("mlp.c_fc", hidden, mlp)],
      down: projection("mlp.c_proj", mlp, hidden),
      rope: undefined,
      window: 0,
    };
  };

  return {
    modelType: "gpt2",
    vocab: config.count("vocab_size"),
    hidden,
    heads,
    kvHeads: heads,
    headDim,
    mlp,
    maxPositions: config.count("n_positions", 1024),
    norm: { kind: "layernorm", eps: config.number("layer_norm_epsilon", 1e-5), offset: 0 },
    embeddingScale: 1,
    rope: {},
    positionTable: "wpe",
    attentionScale: config.flag("scale_attn_weights", true) ? headDim ** -0.5 : 1,
    attentionSoftcap: 0,
    finalSoftcap: 0,
    activation: "gelu_tanh",
    conv1d: true,
    embedding: "wte",
    finalNorm: "ln_f",
    head: config.flag("tie_word_embeddings", true) ? "wte" : "lm_head",
    layers: Array.from({ length: config.count("n_layer") }, (_, index) => layer(index)),
  };
}
