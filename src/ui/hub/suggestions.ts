import type { DataKind } from "../../protocol/catalog.ts";

/** Models and datasets to begin with. Nothing is asked about them before one is picked, so the sizes are approximate. */

export interface SuggestedModel {
  readonly id: string;
  readonly label: string;
  /** `model_type` of its config.json. */
  readonly modelType: string;
  readonly bytes: number;
  readonly gated: boolean;
}

export const MODELS: readonly SuggestedModel[] = [
  { id: "Qwen/Qwen3-0.6B", label: "Qwen3 0.6B", modelType: "qwen3", bytes: 1.5e9, gated: false },
  {
    ...{ id: "HuggingFaceTB/SmolLM2-135M-Instruct", label: "SmolLM2 135M Instruct" },
    ...{ modelType: "llama", bytes: 270e6, gated: false },
  },
  {
    ...{ id: "HuggingFaceTB/SmolLM2-360M-Instruct", label: "SmolLM2 360M Instruct" },
    ...{ modelType: "llama", bytes: 725e6, gated: false },
  },
  {
    ...{ id: "meta-llama/Llama-3.2-1B-Instruct", label: "Llama 3.2 1B Instruct" },
    ...{ modelType: "llama", bytes: 2.5e9, gated: true },
  },
  {
    ...{ id: "google/gemma-3-270m-it", label: "Gemma 3 270M" },
    ...{ modelType: "gemma3_text", bytes: 540e6, gated: true },
  },
  { id: "openai-community/gpt2", label: "GPT-2", modelType: "gpt2", bytes: 550e6, gated: false },
  { id: "microsoft/DialoGPT-small", label: "DialoGPT small", modelType: "gpt2", bytes: 350e6, gated: false },
];

export interface SuggestedDataset {
  readonly id: string;
  readonly subset?: string;
  /** What its rows hold. */
  readonly data: readonly DataKind[];
  readonly bytes: number;
}

export const DATASETS: readonly SuggestedDataset[] = [
  { id: "openai/gsm8k", subset: "main", data: ["prompts", "examples"], bytes: 2.3e6 },
  { id: "tatsu-lab/alpaca", data: ["examples"], bytes: 24e6 },
  { id: "trl-lib/ultrafeedback_binarized", data: ["pairs"], bytes: 131e6 },
  { id: "HuggingFaceH4/ultrafeedback_binarized", data: ["pairs"], bytes: 226e6 },
  { id: "Anthropic/hh-rlhf", data: ["pairs"], bytes: 90e6 },
];

const MOST_ALTERNATIVES = 3;

/** Suggested models that are open to everyone, those of the types that are nearest to one that is not supported first. */
export function alternativesTo(nearest: readonly string[]): readonly SuggestedModel[] {
  const distance = ({ modelType }: SuggestedModel): number =>
    nearest.includes(modelType) ? nearest.indexOf(modelType) : nearest.length;
  return MODELS.filter(({ gated }) => !gated)
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, MOST_ALTERNATIVES);
}

/** Suggested models that are open to everyone, those of about the size of a closed one first. */
export function openInsteadOf(id: string): readonly SuggestedModel[] {
  const size = MODELS.find((model) => model.id === id)?.bytes ?? 0;
  return MODELS.filter(({ gated }) => !gated)
    .sort((a, b) => Math.abs(a.bytes - size) - Math.abs(b.bytes - size))
    .slice(0, 2);
}
