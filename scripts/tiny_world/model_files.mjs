/** The embedded model's files in the Hugging Face layout, all but the weights and the card. */
import { makeEncoder, SPLIT_PATTERN, trainBpe } from "./bpe.mjs";
import { vocabularyTexts } from "./world.mjs";

const MAX_TOKENS = 1021;
const SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
const CONTEXT = 256;

/**
 * ChatML. A line break stands before each message but the first, so that a conversation ends with `<|im_end|>`, as the
 * pretraining documents do. The generation block marks what an assistant-only loss learns.
 */
const CHAT_TEMPLATE = [
  "{%- for message in messages %}",
  "{%- if not loop.first %}{{- '\\n' }}{%- endif %}",
  "{%- if message.role == 'assistant' %}",
  "{{- '<|im_start|>assistant\\n' }}",
  "{%- generation %}{{- message.content + '<|im_end|>' }}{%- endgeneration %}",
  "{%- else %}",
  "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' }}",
  "{%- endif %}",
  "{%- endfor %}",
  "{%- if add_generation_prompt %}{{- '\\n<|im_start|>assistant\\n' }}{%- endif %}",
].join("\n");

const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

function addedToken(content, id) {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

function tokenizerJson(bpe, specials) {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [...specials].map(([content, id]) => addedToken(content, id)),
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: SPLIT_PATTERN }, behavior: "Isolated", invert: false },
        byteLevel,
      ],
    },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(bpe.vocab),
      merges: bpe.merges,
    },
  };
}

function tokenizerConfig(specials) {
  const decoder = {};
  for (const [content, id] of specials) {
    const { id: _, ...token } = addedToken(content, id);
    decoder[id] = token;
  }
  return {
    tokenizer_class: "Qwen2Tokenizer",
    add_bos_token: false,
    add_prefix_space: false,
    added_tokens_decoder: decoder,
    bos_token: null,
    eos_token: "<|im_end|>",
    pad_token: "<|endoftext|>",
    unk_token: null,
    errors: "replace",
    split_special_tokens: false,
    clean_up_tokenization_spaces: false,
    model_max_length: CONTEXT,
    chat_template: CHAT_TEMPLATE,
  };
}

function modelConfig(vocabSize, specials) {
  return {
    architectures: ["Qwen3ForCausalLM"],
    model_type: "qwen3",
    vocab_size: vocabSize,
    hidden_size: 128,
    intermediate_size: 384,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 32,
    hidden_act: "silu",
    max_position_embeddings: CONTEXT,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    rope_scaling: null,
    attention_bias: false,
    attention_dropout: 0,
    sliding_window: null,
    use_sliding_window: false,
    max_window_layers: 4,
    tie_word_embeddings: true,
    initializer_range: 0.02,
    use_cache: true,
    bos_token_id: null,
    eos_token_id: specials.get("<|im_end|>"),
    pad_token_id: specials.get("<|endoftext|>"),
    torch_dtype: "bfloat16",
  };
}

function generationConfig(specials) {
  return {
    eos_token_id: [specials.get("<|im_end|>"), specials.get("<|endoftext|>")],
    pad_token_id: specials.get("<|endoftext|>"),
    max_new_tokens: 64,
    do_sample: true,
    temperature: 1,
    top_p: 1,
    top_k: 0,
  };
}

/**
 * Trains the tokenizer and writes out the model's files.
 * @returns {{files: Map<string, string>, encode: (text: string) => number[], vocabSize: number}} file name to text, and
 *   the encoder of the same tokenizer
 */
export function makeModelFiles() {
  const bpe = trainBpe(vocabularyTexts(), MAX_TOKENS);
  const specials = new Map(SPECIALS.map((token, i) => [token, bpe.vocab.size + i]));
  const vocabSize = Math.ceil((bpe.vocab.size + SPECIALS.length) / 64) * 64;
  const files = new Map([
    ["config.json", json(modelConfig(vocabSize, specials))],
    ["generation_config.json", json(generationConfig(specials))],
    ["tokenizer.json", json(tokenizerJson(bpe, specials))],
    ["tokenizer_config.json", json(tokenizerConfig(specials))],
    ["chat_template.jinja", CHAT_TEMPLATE],
  ]);
  return { files, encode: makeEncoder(bpe, specials), vocabSize };
}
