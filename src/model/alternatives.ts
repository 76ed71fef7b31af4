/** Open models that run here, with their parameters in millions: what to offer in place of one that does not. */
const MODELS = [
  { name: "openai-community/gpt2", type: "gpt2", millions: 124 },
  { name: "HuggingFaceTB/SmolLM2-135M-Instruct", type: "llama", millions: 135 },
  { name: "google/gemma-3-270m-it", type: "gemma3_text", millions: 268 },
  { name: "HuggingFaceTB/SmolLM2-360M-Instruct", type: "llama", millions: 362 },
  { name: "Qwen/Qwen2.5-0.5B-Instruct", type: "qwen2", millions: 494 },
  { name: "Qwen/Qwen3-0.6B", type: "qwen3", millions: 596 },
  { name: "google/gemma-3-1b-it", type: "gemma3_text", millions: 1000 },
  { name: "Qwen/Qwen2.5-1.5B-Instruct", type: "qwen2", millions: 1544 },
  { name: "HuggingFaceTB/SmolLM2-1.7B-Instruct", type: "llama", millions: 1711 },
  { name: "Qwen/Qwen3-1.7B", type: "qwen3", millions: 1720 },
  { name: "google/gemma-2-2b-it", type: "gemma2", millions: 2614 },
  { name: "microsoft/Phi-3-mini-4k-instruct", type: "phi3", millions: 3821 },
  { name: "Qwen/Qwen3-4B", type: "qwen3", millions: 4022 },
  { name: "mistralai/Mistral-7B-Instruct-v0.3", type: "mistral", millions: 7248 },
] as const;

/** Kin of supported architectures, by how their names begin. */
const KIN: readonly (readonly [RegExp, string])[] = [
  [/^gemma(3|4|$)/, "gemma3_text"],
  [/^gemma/, "gemma2"],
  [/^phi/, "phi3"],
  [/^(mistral|ministral|mixtral)/, "mistral"],
  [/^qwen2/, "qwen2"],
  [/^qwen/, "qwen3"],
  [/^(smollm|llama|mllama|yi|olmo|granite|stablelm)/, "llama"],
];

type Json = Readonly<Record<string, unknown>>;

/**
 * What to use in place of a model whose architecture is not supported: the nearest architecture by its name, and an open
 * model of about the same size where config.json tells the size.
 */
export function alternativeTo(modelType: string, json: Json): string {
  const kin = KIN.find(([pattern]) => pattern.test(modelType))?.[1];
  const size = millionsOf(json);
  const own = MODELS.filter(({ type }) => type === kin);
  const sentences = kin
    ? [`The nearest supported architecture is ${kin}, for example ${nearest(own, size)}.`]
    : [];
  const similar = size === undefined ? undefined : nearest(MODELS, size);
  if (similar && !(kin && similar === nearest(own, size)))
    sentences.push(`A supported model of similar size is ${similar}.`);
  return sentences.length > 0 ? sentences.join(" ") : `A model to begin with is ${nearest(MODELS, 600)}.`;
}

function nearest(models: readonly (typeof MODELS)[number][], size = 600): string {
  const distance = (millions: number) => Math.abs(Math.log(millions / size));
  const [first] = models.toSorted((a, b) => distance(a.millions) - distance(b.millions));
  return first?.name ?? MODELS[0].name;
}

/** Parameters of a decoder with matrices of 12 C^2 a layer, in millions; undefined where config.json does not say enough. */
function millionsOf(json: Json): number | undefined {
  const text = json["text_config"];
  const from = (typeof text === "object" && text !== null ? text : json) as Json;
  const pick = (...keys: string[]) => keys.map((key) => from[key]).find((value) => typeof value === "number");
  const hidden = pick("hidden_size", "n_embd", "d_model");
  const layers = pick("num_hidden_layers", "n_layer", "num_layers");
  if (!hidden || !layers || hidden < 0 || layers < 0) return undefined;
  const tables = json["tie_word_embeddings"] === false ? 2 : 1;
  return (12 * layers * hidden ** 2 + tables * (pick("vocab_size") ?? 0) * hidden) / 1e6;
}
