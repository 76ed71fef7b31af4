import type { RunConfig } from "../config/fields.ts";
import type { Adapter } from "../formats/adapter.ts";
import type { FloatDtype } from "../formats/dtype.ts";
import { exportFiles } from "../formats/export_bundle.ts";
import type { ModelFolder } from "../formats/model_folder.ts";
import { SHARD_BYTES, shardedModel } from "../formats/sharded_model.ts";
import type { Asset } from "../host/host.ts";
import { ggufAdapter } from "../model/gguf_adapter.ts";
import { mergeAdapter } from "../model/merge.ts";
import { readModelSpec } from "../model/registry.ts";
import { loadTextTools } from "../trainer/prepare_data.ts";
import { ownTemplate, type RunFacts, runCard } from "./export_card.ts";

/** A run as it was saved: its base, its adapter and its records. No GPU is needed to export it. */
export interface SavedRun extends RunFacts {
  /** The base; the trained model itself when there is no adapter. */
  readonly model: ModelFolder;
  readonly adapter: Adapter | undefined;
  readonly configText: string;
  /** The template that the run used when it is not the base's own: see runTemplate. */
  readonly chatTemplate: string | undefined;
}

/** Throws what a tokenizer that cannot be read throws. */
export async function runTemplate({ folder }: ModelFolder, config: RunConfig): Promise<string | undefined> {
  return ownTemplate(await loadTextTools(folder, config));
}

export interface MergedOptions {
  /** "stored": as the base has each tensor. */
  readonly dtype?: FloatDtype | "stored";
  /** Bytes of tensors a file. */
  readonly shardBytes?: number;
}

/**
 * The whole model with the adapter merged in, as transformers loads it, made as it is read: no more than a slice of a matrix is
 * held. Throws what mergeAdapter throws, `file-missing` and `model-unsupported`.
 */
export async function mergedFiles(run: SavedRun, options: MergedOptions = {}): Promise<readonly Asset[]> {
  const { model, adapter, configText } = run;
  const { dtype = "stored", shardBytes = SHARD_BYTES } = options;
  const merged = mergeAdapter(model, readModelSpec(model.config), adapter, dtype);
  const card = runCard(run);
  const merge = adapter && {
    rank: adapter.config.r,
    alpha: adapter.config.loraAlpha,
    useRslora: adapter.config.useRslora,
    basePrecision: merged.basePrecision,
    dtype,
  };
  return exportFiles({
    weights: {
      kind: adapter ? "merged" : "model",
      files: shardedModel(merged.tensors, shardBytes),
      dtype: dtype === "stored" ? undefined : dtype,
    },
    config: configText,
    base: model.folder,
    chatTemplate: run.chatTemplate,
    card: { ...card, merge },
    state: undefined,
  });
}

/** The adapter as one file for llama.cpp. Throws `adapter-unsupported`, `export-invalid`. */
export async function ggufFile(
  run: Pick<SavedRun, "model"> & { readonly adapter: Adapter },
  name: string,
): Promise<Asset> {
  return ggufAdapter(name, readModelSpec(run.model.config), run.adapter);
}
