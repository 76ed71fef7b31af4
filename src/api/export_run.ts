import { ALGORITHM_TITLES } from "../config/algorithm.ts";
import type { RunConfig } from "../config/fields.ts";
import { adapterFiles } from "../formats/adapter.ts";
import type { AdapterConfig } from "../formats/adapter_config.ts";
import { encodeFloats } from "../formats/dtype.ts";
import { exportFiles } from "../formats/export_bundle.ts";
import type { ModelFolder } from "../formats/model_folder.ts";
import { safetensorsAsset } from "../formats/safetensors_asset.ts";
import type { LogRow } from "../formats/trainer_state.ts";
import type { Asset } from "../host/host.ts";
import { isValueName } from "../model/loaded_model.ts";
import type { Engine } from "../trainer/engine.ts";
import type { Dataset, TextTools } from "../trainer/prepare_data.ts";
import type { TrainingRun } from "../trainer/training_run.ts";
import { peftModules } from "./peft_modules.ts";

/** What the model card says of how the run ended, where it was measured. */
const CARD_METRICS = [
  ...["loss", "eval_loss", "mean_token_accuracy", "eval_mean_token_accuracy"],
  ...["rewards/accuracies", "eval_rewards/accuracies", "rewards/margins", "eval_rewards/margins"],
  ...["reward", "eval_reward", "kl", "objective/rlhf_reward", "objective/kl"],
];

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
}

/** The files of a run: what the command line writes and the page zips. The same run gives the same bytes. */
export async function exportAssets(options: ExportOptions): Promise<readonly Asset[]> {
  const { run, engine, model, config, configText, adapter, place, log } = options;
  const weights = adapter
    ? { kind: "adapter" as const, files: await adapterFiles(adapter, await peftModules(engine)) }
    : { kind: "model" as const, file: await modelFile(engine) };
  const last = Object.assign({}, ...log) as Record<string, unknown>;
  const metrics = Object.fromEntries(
    CARD_METRICS.flatMap((name) => (typeof last[name] === "number" ? [[name, last[name]]] : [])),
  );
  const { architecture, vendor, description } = engine.gpu.capabilities;
  const template = options.tools.template;
  return exportFiles({
    weights,
    config: configText,
    base: model.folder,
    chatTemplate: template?.source === "chatml" ? template.text : undefined,
    card: {
      run: config.run_name ?? "run",
      baseModel: config.model_name,
      algorithm: config.algorithm,
      algorithmLabel: ALGORITHM_TITLES[config.algorithm],
      datasets:
        config.dataset_name === null
          ? []
          : [config.dataset_name, ...config.more_datasets.map(({ name: other }) => other)],
      license: null,
      place,
      device: description || [vendor, architecture].filter(Boolean).join(" ") || "an unnamed GPU",
      steps: run.step,
      settings: cardSettings(config),
      metrics,
      versions: {},
      examplePrompt: "Hello",
    },
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

function cardSettings(config: RunConfig): Record<string, unknown> {
  const keys = [
    "learning_rate",
    "batch_size",
    "gradient_accumulation_steps",
    "lr_scheduler",
    "warmup_ratio",
    "max_seq_length",
    "lora_rank",
    "lora_alpha",
    "optim",
    "seed",
  ] as const;
  return Object.fromEntries(keys.map((key) => [key, config[key]]));
}

/** All weights under their names in the base's file, f32. PPO's value model trains beside them, and is none of them. */
async function modelFile(engine: Engine): Promise<Asset> {
  const trained = await engine.pool.read(engine.gpu, "params");
  const values = [...trained].filter(([name]) => !isValueName(name));
  return safetensorsAsset(
    "model.safetensors",
    values.map(([name, { shape, data }]) => ({
      name,
      dtype: "F32" as const,
      shape,
      bytes: async () => encodeFloats(data, "F32"),
    })),
  );
}
