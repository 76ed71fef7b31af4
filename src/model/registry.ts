import { AppError } from "../lib/errors.ts";
import { gemma3Text } from "./architectures/gemma3_text.ts";
import { gpt2 } from "./architectures/gpt2.ts";
import { llama } from "./architectures/llama.ts";
import { qwen2 } from "./architectures/qwen2.ts";
import { qwen3 } from "./architectures/qwen3.ts";
import { ConfigReader } from "./config_reader.ts";
import type { ModelSpec } from "./spec.ts";

/** Every architecture, by the `model_type` of its config.json. Adding one is a file and a line here. */
export const architectures = {
  qwen3,
  qwen2,
  llama,
  gemma3_text: gemma3Text,
  gpt2,
} as const satisfies Record<string, (config: ConfigReader) => ModelSpec>;

/**
 * Reads a parsed config.json. Throws `model-unsupported` for an architecture that is not in the table or a variant that
 * the engine lacks, and `model-invalid` for a config that is broken.
 */
export function readModelSpec(json: unknown): ModelSpec {
  const config = new ConfigReader(json);
  const modelType = config.text("model_type");
  if (!Object.hasOwn(architectures, modelType)) {
    throw new AppError(
      "model-unsupported",
      `Models of type "${modelType}" are not supported yet. Supported: ${Object.keys(architectures).join(", ")}.`,
      { details: { model_type: modelType } },
    );
  }
  config.only("quantization_config", [], "a checkpoint that is already quantised");
  return architectures[modelType as keyof typeof architectures](config);
}
