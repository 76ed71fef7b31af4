import type { RunConfig } from "../config/fields.ts";
import { adapterFiles } from "../formats/adapter.ts";
import type { AdapterConfig } from "../formats/adapter_config.ts";
import type { FloatDtype } from "../formats/dtype.ts";
import { exportFiles } from "../formats/export_bundle.ts";
import type { ModelFolder } from "../formats/model_folder.ts";
import { floatsMaker } from "../formats/safetensors_asset.ts";
import { shardedModel } from "../formats/sharded_model.ts";
import type { LogRow } from "../formats/trainer_state.ts";
import type { Asset } from "../host/host.ts";
import { isValueName } from "../model/loaded_model.ts";
import type { Engine } from "../trainer/engine.ts";
import type { Dataset } from "../trainer/load_dataset.ts";
import type { TextTools } from "../trainer/prepare_data.ts";
import type { TrainingRun } from "../trainer/training_run.ts";
import { ownTemplate, runCard } from "./export_card.ts";
import { peftModules } from "./peft_modules.ts";

export interface ExportOptions {
  readonly run: TrainingRun;
  readonly engine: Engine;
  readonly model: ModelFolder;
  readonly dataset: Dataset | undefined;
  readonly tools: TextTools;
  readonly config: RunConfig;
  readonly configText: string;
  /** Undefined for full fine-tuning. */
  readonly adapter: AdapterConfig | undefined;
  readonly place: "the browser" | "Node";
  readonly log: readonly LogRow[];
  /** What full fine-tuning's weights are stored as; F32, in which they train, by default. */
  readonly dtype?: FloatDtype | undefined;
}

/** The files of a run: what the command line writes and the page zips. The same run gives the same bytes. */
export async function exportAssets(options: ExportOptions): Promise<readonly Asset[]> {
  const { run, engine, model, config, configText, adapter, place, log, dtype = "F32" } = options;
  const weights = adapter
    ? { kind: "adapter" as const, files: await adapterFiles(adapter, await peftModules(engine)) }
    : { kind: "model" as const, files: await modelFiles(engine, dtype), dtype };
  const { architecture, vendor, description } = engine.gpu.capabilities;
  const device = description || [vendor, architecture].filter(Boolean).join(" ") || "an unnamed GPU";
  return exportFiles({
    weights,
    config: configText,
    base: model.folder,
    chatTemplate: ownTemplate(options.tools),
    card: runCard({ config, place, device, steps: run.step, log }),
    state: {
      globalStep: run.step,
      epoch: run.epoch,
      maxSteps: run.totalSteps,
      numTrainEpochs: config.num_epochs,
      trainBatchSize: config.batch_size,
      loggingSteps: config.logging_steps,
      evalSteps: config.eval_strategy === "steps" ? config.eval_steps : null,
      saveSteps: config.save_strategy === "steps" ? config.save_steps : null,
      numInputTokensSeen: run.numTokens,
      bestMetric: run.best.metric,
      bestStep: run.best.step,
      logHistory: log,
    },
  });
}

/** All weights under their names in the base's file. PPO's value model trains beside them, and is none of them. */
async function modelFiles(engine: Engine, dtype: FloatDtype): Promise<readonly Asset[]> {
  const trained = await engine.pool.read(engine.gpu, "params");
  const values = [...trained].filter(([name]) => !isValueName(name));
  return shardedModel(values.map(([name, { shape, data }]) => floatsMaker({ name, shape }, data, dtype)));
}
