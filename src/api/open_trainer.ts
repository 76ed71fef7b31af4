import type { Prepared } from "../algorithms/algorithm.ts";
import type { RunConfig } from "../config/fields.ts";
import { adapterFiles } from "../formats/adapter.ts";
import type { AdapterConfig } from "../formats/adapter_config.ts";
import type { FloatDtype } from "../formats/dtype.ts";
import type { ModelFolder } from "../formats/model_folder.ts";
import type { LogRow } from "../formats/trainer_state.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Asset, CheckpointRecord, Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { Engine } from "../trainer/engine.ts";
import type { Dataset } from "../trainer/load_dataset.ts";
import type { TextTools } from "../trainer/prepare_data.ts";
import { type Outcome, type RunControl, type RunEvents, TrainingRun } from "../trainer/training_run.ts";
import { exportAssets } from "./export_run.ts";
import { choiceNote } from "./memory_choice.ts";
import { openEngine } from "./open_engine.ts";
import { peftModules } from "./peft_modules.ts";
import type { RunMemory } from "./plan_run.ts";
import { prepareRun } from "./prepare_run.ts";
import type { Sampler } from "./sampler.ts";

export interface OpenTrainerOptions {
  readonly host: Host;
  readonly config: RunConfig;
  /** training_config.yaml, resolved: what checkpoints and exports carry. */
  readonly configText: string;
  /** Names the run in the checkpoint store. */
  readonly run: string;
  /** Continue from this checkpoint. */
  readonly resumeStep?: number | undefined;
  /** Go on without the rows that cannot be used; else the first of them is an error. */
  readonly skipBadRows?: boolean;
  /** Answers to fixed prompts will be wanted, as often as `sample_every` says: see OpenTrainer.sampler. */
  readonly samples?: boolean;
  /** Opened by the trainer when absent. */
  readonly gpu?: Gpu;
  readonly events: RunEvents;
  readonly onPreparing?: (what: "model" | "data" | "kernels", done: number, total: number) => void;
  readonly place: "the browser" | "Node";
  /** Lines of the log before this session, for a run that is resumed. */
  readonly earlierLog?: readonly LogRow[];
}

/** A run that is ready to go: everything that can be refused has been. */
export interface OpenTrainer {
  readonly gpu: Gpu;
  readonly engine: Engine;
  readonly spec: ModelSpec;
  readonly model: ModelFolder;
  /** Undefined when the run trains on recorded rollouts. */
  readonly dataset: Dataset | undefined;
  readonly tools: TextTools;
  readonly data: Prepared;
  /** Undefined when none was asked for, or there is nothing to ask. */
  readonly sampler: Sampler | undefined;
  /** What the run takes of the GPU by its plan; what it took is in `gpu.counts`. */
  readonly memory: RunMemory;
  /** What a person should know before the first step. */
  readonly notes: readonly string[];
  readonly totalSteps: number;
  readonly step: number;
  readonly epoch: number;
  train(control: RunControl, steps?: number): Promise<Outcome>;
  /** How it does on the validation rows. Throws `dataset-invalid` when none are held out. */
  evaluate(): Promise<Record<string, number>>;
  /** PEFT files (or the whole model, stored as `dtype`), card, configuration, state and tokenizer, as files to write or zip. */
  exportAssets(dtype?: FloatDtype): Promise<readonly Asset[]>;
  close(): void;
}

/**
 * Prepares a run: model, tokenizer, data, adapter, device memory, kernels. Throws, before the first step, everything that a
 * configuration, a file or a device can be refused for.
 */
export async function openTrainer(options: OpenTrainerOptions): Promise<OpenTrainer> {
  const { host, config, onPreparing = () => {} } = options;
  const prepared = await prepareRun(host, config, options.skipBadRows ?? false, (done) =>
    onPreparing("data", done, 1),
  );
  const { model, spec, tools, data, start } = prepared;
  const { dataset } = data;
  const log: LogRow[] = [...(options.earlierLog ?? [])];
  // What is said before there is a trainer belongs to what a person should know before the first step.
  const early = new Set<string>();
  let isOpen = false;
  const events: RunEvents = {
    ...options.events,
    note: (text) => void (isOpen ? options.events.note(text) : early.add(text)),
    metrics: (step, values) => {
      log.push({ step, ...values });
      options.events.metrics(step, values);
    },
  };
  const { gpu, engine, method, sampler, choice, memory, refused } = await openEngine(
    { ...options, events },
    prepared,
  );
  isOpen = true;
  const run: TrainingRun = new TrainingRun({
    ...{
      run: options.run,
      engine,
      backend: choice.backend,
      config,
      configText: options.configText,
      method,
      events,
    },
    checkpoints: host.checkpoints,
    exportFiles: () => checkpointFiles(engine, start.adapter),
  });
  if (options.resumeStep !== undefined) await run.restore(options.resumeStep);
  return {
    ...{ gpu, engine, spec, model, dataset, tools, data, sampler, memory },
    notes: [
      ...[...revisionNote(config, model), ...data.notes, ...start.notes],
      ...[...early, ...choiceNote(choice, refused)],
    ],
    totalSteps: run.totalSteps,
    get step() {
      return run.step;
    },
    get epoch() {
      return run.epoch;
    },
    train: (control, steps) => run.train(control, steps),
    evaluate: () => {
      if (method.evaluate) return method.evaluate();
      throw new AppError(
        "dataset-invalid",
        "No rows are held out: set val_split_ratio above 0 or give eval_dataset_name.",
      );
    },
    exportAssets: (dtype) =>
      exportAssets({ ...options, model, dataset, tools, engine, adapter: start.adapter, run, log, dtype }),
    close: () => {
      method.close?.();
      if (!options.gpu) gpu.close();
    },
  };
}

/** A revision that could not be looked up is said, never dropped in silence. */
function revisionNote({ model_revision: revision }: RunConfig, { folder }: ModelFolder): string[] {
  if (revision === null || folder.revision !== undefined) return [];
  return [`model_revision (${revision}) is written into the adapter; files have no revisions to look up.`];
}

/** The adapter beside the tensors of a checkpoint, so that its folder opens in other tools. */
async function checkpointFiles(
  engine: Engine,
  adapter: AdapterConfig | undefined,
): Promise<readonly CheckpointRecord[]> {
  if (!adapter) return [];
  const files = await adapterFiles(adapter, await peftModules(engine));
  return Object.entries(files).map(([name, bytes]) => ({ name, bytes }));
}
