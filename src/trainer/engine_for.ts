import type { CommonConfig, RunConfig } from "../config/fields.ts";
import type { AdapterConfig } from "../formats/adapter_config.ts";
import type { ModelFolder } from "../formats/model_folder.ts";
import type { Host } from "../host/host.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { AppError } from "../lib/errors.ts";
import { readAdapterFor } from "../model/adapter_file.ts";
import type { Capacity } from "../model/batch_tables.ts";
import type { NamedValues, ReferenceKind, Trainable, ValueStart } from "../model/loaded_model.ts";
import { adapterEntries, initialAdapter, type LoraSettings } from "../model/lora.ts";
import { followsLength, type ModelSpec } from "../model/spec.ts";
import type { BaseFormat } from "../model/weights.ts";
import type { EngineOptions } from "./engine_parts.ts";
import type { Objective } from "./objective.ts";

/** Where a run starts: what trains, and how its adapter will describe itself in a file. */
export interface Start {
  readonly trainable: Trainable;
  /** Undefined for full fine-tuning. */
  readonly adapter: AdapterConfig | undefined;
  readonly notes: readonly string[];
}

/** A fresh adapter with PEFT's initialisation, the adapter of a file, or the model itself. */
export async function startOf(
  host: Pick<Host, "openAdapter">,
  spec: ModelSpec,
  config: CommonConfig,
): Promise<Start> {
  if (!config.peft_enabled) return { trainable: { kind: "full" }, adapter: undefined, notes: [] };
  if (config.adapter_name_or_path !== null) {
    const file = await readAdapterFor(spec, await host.openAdapter(config.adapter_name_or_path));
    const settings = { ...file.settings, dropout: config.lora_dropout };
    const adapter = {
      ...{ ...file.config, loraDropout: config.lora_dropout },
      ...{ baseModel: config.model_name, revision: config.model_revision },
    };
    return { trainable: { kind: "lora", settings, values: file.values }, adapter, notes: file.notes };
  }
  const settings: LoraSettings = {
    rank: config.lora_rank,
    alpha: config.lora_alpha,
    rsLora: config.use_rslora,
    dropout: config.lora_dropout,
    targets: config.target_modules,
  };
  const adapter: AdapterConfig = {
    r: settings.rank,
    loraAlpha: settings.alpha,
    loraDropout: settings.dropout,
    useRslora: settings.rsLora,
    targetModules: targetNames(spec, settings),
    fanInFanOut: spec.conv1d,
    baseModel: config.model_name,
    revision: config.model_revision,
  };
  return {
    trainable: { kind: "lora", settings, values: freshValues(spec, settings, config.seed) },
    adapter,
    notes: [],
  };
}

/** The initial values of a new adapter, with their shapes. */
export function freshValues(spec: ModelSpec, settings: LoraSettings, seed: number): NamedValues {
  const data = initialAdapter(spec, settings, seed);
  const names = adapterEntries(spec, settings, "policy").flatMap((entry) => entry.names);
  return new Map(
    names.map(({ name, shape }) => [name, { shape, data: data.get(name) ?? new Float32Array() }]),
  );
}

/** What adapter_config.json names: plain module names where the setting said `all-linear`, as PEFT writes them. */
function targetNames(spec: ModelSpec, { targets }: LoraSettings): readonly string[] | string {
  if (targets !== "all-linear") return targets;
  const last = (path: string) => path.slice(path.lastIndexOf(".") + 1);
  const names = spec.layers.flatMap((layer) => [...layer.qkv, layer.output, ...layer.up, layer.down]);
  return [...new Set(names.map(({ module }) => last(module)))];
}

/** What the run's reference is: the model as the run finds it. */
export function referenceOf(config: RunConfig): ReferenceKind {
  if ("sync_ref_model" in config && config.sync_ref_model) return "moving";
  const isFresh = config.peft_enabled && config.adapter_name_or_path === null;
  return isFresh ? "base" : "copy";
}

/** Keeps the value model's initial adapter apart from the policy's. */
const VALUE_SEED = 0x76616c75;

/**
 * Where PPO's value model starts: a fresh adapter like the policy's, so that it begins as the base itself, and a head of
 * zeros, so that the first advantages are the rewards to come alone.
 */
export function valueStart(spec: ModelSpec, config: CommonConfig, start: Start): ValueStart {
  const { trainable } = start;
  const settings: LoraSettings =
    trainable.kind === "lora"
      ? { ...trainable.settings, dropout: 0 }
      : {
          rank: config.lora_rank,
          alpha: config.lora_alpha,
          rsLora: config.use_rslora,
          dropout: 0,
          targets: config.target_modules,
        };
  const values = freshValues(spec, settings, (config.seed ^ VALUE_SEED) >>> 0);
  return { settings, values, head: new Float32Array(spec.hidden) };
}

export interface EnginePlan {
  readonly model: ModelFolder;
  readonly spec: ModelSpec;
  readonly trainable: Trainable;
  readonly objective: Objective;
  /** See EngineOptions. */
  readonly micros: number;
  readonly whole?: Capacity | undefined;
  readonly reference?: ReferenceKind | undefined;
  readonly value?: ValueStart | undefined;
  readonly capacity: Capacity;
  readonly maxLength: number;
  /** From a checkpoint, when a run is resumed. */
  readonly profile: KernelProfile | undefined;
  readonly onBytes: (bytes: number) => void;
}

/** How frozen weights are kept, of the model and of a reward model beside it. `backend` is already chosen. */
export function baseFormatOf(
  config: Pick<CommonConfig, "backend" | "peft_enabled" | "load_in_4bit">,
): BaseFormat {
  const fourBit = config.peft_enabled && (config.load_in_4bit ?? config.backend === "unsloth");
  return fourBit ? "nf4" : "stored";
}

/** The engine that a configuration describes. Throws `config-invalid` when rows are longer than the model's positions. */
export function engineOptions(config: RunConfig, plan: EnginePlan): EngineOptions {
  const { spec, maxLength, profile } = plan;
  if (maxLength > spec.maxPositions) {
    throw new AppError(
      "config-invalid",
      `max_seq_length allows rows of ${maxLength} tokens, but this model has ${spec.maxPositions} positions${followsLength(spec) ? ", past which its rotary scaling (dynamic) changes with the length of every batch" : ""}. Set max_seq_length to ${spec.maxPositions} or less.`,
      { details: { key: "max_seq_length", limit: spec.maxPositions } },
    );
  }
  const unsloth = config.backend === "unsloth";
  return {
    ...{ model: plan.model, spec, trainable: plan.trainable, capacity: plan.capacity, maxLength },
    baseFormat: baseFormatOf(config),
    rematerialize: config.gradient_checkpointing ?? unsloth,
    ...{
      micros: plan.micros,
      whole: plan.whole,
      objective: plan.objective,
      reference: plan.reference,
      value: plan.value,
    },
    optimizer: {
      kind: config.optim,
      beta1: config.adam_beta1,
      beta2: config.adam_beta2,
      epsilon: config.adam_epsilon,
      weightDecay: config.weight_decay,
      maxGradNorm: config.max_grad_norm,
    },
    referenceMove: "ref_model_mixup_alpha" in config ? config.ref_model_mixup_alpha : undefined,
    ...(profile && { profile }),
    onBytes: plan.onBytes,
  };
}
