import { AppError } from "../lib/errors.ts";
import { alternativeTo } from "./alternatives.ts";
import { gemma2 } from "./architectures/gemma2.ts";
import { gemma3Text } from "./architectures/gemma3_text.ts";
import { gpt2 } from "./architectures/gpt2.ts";
import { llama } from "./architectures/llama.ts";
import { mistral } from "./architectures/mistral.ts";
import { phi3 } from "./architectures/phi3.ts";
import { qwen2 } from "./architectures/qwen2.ts";
import { qwen3 } from "./architectures/qwen3.ts";
import { ConfigReader } from "./config_reader.ts";
import type { ModelSpec } from "./spec.ts";

/** Every architecture, by the `model_type` of its config.json. Adding one is a file and a line here. */
export const architectures = {
  qwen3,
  qwen2,
  llama,
  mistral,
  phi3,
  gemma2,
  gemma3_text: gemma3Text,
  gpt2,
} as const satisfies Record<string, (config: ConfigReader) => ModelSpec>;

/** What the head sizes of the attention kernels may be. */
const HEAD_DIM = { multiple: 4, limit: 256 };

/**
 * Reads a parsed config.json. Throws `model-unsupported` for an architecture that is not in the table or a variant that
 * the engine lacks, and `model-invalid` for a config that is broken.
 */
export function readModelSpec(json: unknown): ModelSpec {
  const config = new ConfigReader(json);
  const modelType = config.text("model_type");
  if (!Object.hasOwn(architectures, modelType)) throw unsupported(modelType, json as Record<string, unknown>);
  if (config.has("quantization_config")) throw quantised(config.child("quantization_config"));
  const spec = architectures[modelType as keyof typeof architectures](config);
  if (spec.headDim % HEAD_DIM.multiple !== 0 || spec.headDim > HEAD_DIM.limit) {
    throw new AppError(
      "model-unsupported",
      `This model's attention heads have ${spec.headDim} channels (head_dim). Supported: multiples of ${HEAD_DIM.multiple} up to ${HEAD_DIM.limit}.`,
      { details: { key: "head_dim" } },
    );
  }
  return spec;
}

function unsupported(modelType: string, json: Readonly<Record<string, unknown>>): AppError {
  const what =
    "vision_config" in json || "audio_config" in json
      ? `Models of type "${modelType}" also take images or sound, which is not supported.`
      : `Models of type "${modelType}" are not supported.`;
  return new AppError(
    "model-unsupported",
    `${what} ${alternativeTo(modelType, json)} Supported architectures: ${Object.keys(architectures).join(", ")}.`,
    { details: { model_type: modelType } },
  );
}

function quantised(settings: ConfigReader | undefined): AppError {
  const method = settings?.has("quant_method") ? ` (${settings.text("quant_method")})` : "";
  return new AppError(
    "model-unsupported",
    `This checkpoint is already quantised${method}: config.json has a quantization_config. Use the original 16-bit or 32-bit checkpoint; backend unsloth keeps it in four bits by itself.`,
    { details: { key: "quantization_config" } },
  );
}
