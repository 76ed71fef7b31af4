import type { ModelFolder } from "../formats/model_folder.ts";
import { largestTensor } from "../gpu/capabilities.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { AppError } from "../lib/errors.ts";
import { loadWeights } from "./load_weights.ts";
import { type Adapter, adapterEntries, bindAdapter, checkAdapterValues, type LoraSettings } from "./lora.ts";
import { ParamPool, type PoolEntry } from "./param_pool.ts";
import type { ModelSpec } from "./spec.ts";
import { bindWeights, uploadWeights, weightEntries } from "./trainable_weights.ts";
import type { BaseFormat, ModelWeights } from "./weights.ts";

/** Values by their key in the file. */
export type NamedValues = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array<ArrayBuffer> }
>;

export type Trainable =
  | { readonly kind: "lora"; readonly settings: LoraSettings; readonly values: NamedValues }
  | { readonly kind: "full" };

/** What the policy is compared with: the model as the run found it. */
export type ReferenceKind =
  /** The model without an adapter: what a fresh adapter starts from. Takes no memory. */
  | "base"
  /** A frozen copy of what trains: a second adapter, or with full fine-tuning a second model. */
  | "copy"
  /** A copy in f32 that is moved towards what trains every now and then (sync_ref_model). */
  | "moving";

/** An adapter with a scalar head on the same base: PPO's value model. */
export interface ValueStart {
  readonly settings: LoraSettings;
  /** By PEFT key. */
  readonly values: NamedValues;
  /** (hidden) */
  readonly head: Float32Array<ArrayBuffer>;
}

export interface ModelOptions {
  readonly model: ModelFolder;
  readonly spec: ModelSpec;
  readonly trainable: Trainable;
  readonly baseFormat: BaseFormat;
  readonly reference?: ReferenceKind | undefined;
  readonly value?: ValueStart | undefined;
  readonly onBytes?: (bytes: number) => void;
}

/** Weights with the adapter that is on, if any: what a pass over the model runs. */
export interface RunnableModel {
  readonly weights: ModelWeights;
  readonly adapter: Adapter | undefined;
}

export interface ReferenceModel extends RunnableModel {
  /** Pairs of tensors of one shape: the reference's, and what trains. Empty unless the reference moves. */
  readonly moving: readonly { readonly own: Tensor; readonly trained: Tensor }[];
}

export interface ValueModel extends RunnableModel {
  /** (1, hidden) f32, trained */
  readonly head: Tensor;
}

/** A model on the GPU: frozen weights with an adapter that trains, or weights that all train. */
export interface LoadedModel extends RunnableModel {
  /** Everything that trains. */
  readonly pool: ParamPool;
  readonly reference: ReferenceModel | undefined;
  readonly value: ValueModel | undefined;
  /** Bytes of what is frozen and kept for the reference or the value model alone. Both read the copy of one. */
  readonly copyBytes: { readonly reference: number; readonly value: number };
}

/** Names of the value model's numbers in a checkpoint: PEFT's keys with this before them, and its head. */
const VALUE_PREFIX = "value.";
const VALUE_HEAD = "value_head.weight";

/** Throws `model-*`, `adapter-unsupported` and `file-invalid` for bad files, `gpu-out-of-memory`. */
export async function loadModel(gpu: Gpu, options: ModelOptions): Promise<LoadedModel> {
  const { trainable } = options;
  return trainable.kind === "full" ? loadFull(gpu, options) : loadLora(gpu, options, trainable);
}

async function loadFull(gpu: Gpu, options: ModelOptions): Promise<LoadedModel> {
  const { model, spec, value, reference, onBytes } = options;
  const maxBytes = largestTensor(gpu.capabilities);
  const entries = weightEntries(spec, maxBytes);
  const all = [...entries, ...valueEntries(spec, value)];
  const pool = await gpu.guarded("Model weights", () => new ParamPool(gpu, all));
  await uploadWeights(gpu, model, entries, (label) => pool.param(label), onBytes);
  if (value)
    writeEntries(gpu, valueEntries(spec, value), (label) => pool.param(label), valueValues(spec, value));
  const weights = bindWeights(spec, pool, maxBytes);
  const before = gpu.counts.bytes;
  const moving = reference === "moving" ? await movingCopy(gpu, options, entries, pool, maxBytes) : undefined;
  const movingBytes = gpu.counts.bytes - before;
  // The policy's weights move, so a reference that stays and the value model's base are a copy.
  const stays =
    value || reference === "copy" ? await loadWeights(gpu, model, spec, "stored", onBytes) : undefined;
  const staysBytes = gpu.counts.bytes - before - movingBytes;
  return {
    ...{ weights, adapter: undefined, pool },
    reference: reference && (moving ?? (stays && { weights: stays, adapter: undefined, moving: [] })),
    value: value && stays && bindValue(spec, pool, value, stays),
    copyBytes:
      reference === "copy"
        ? { reference: staysBytes, value: 0 }
        : { reference: movingBytes, value: staysBytes },
  };
}

/** The model once more, in f32. */
async function movingCopy(
  gpu: Gpu,
  { model, spec, onBytes }: ModelOptions,
  entries: readonly PoolEntry[],
  pool: ParamPool,
  maxBytes: number,
): Promise<ReferenceModel> {
  const own = await gpu.guarded("Reference", () => tensorsFor(gpu, entries));
  const param = (label: string) => own.get(label) as Tensor;
  await uploadWeights(gpu, model, entries, param, onBytes);
  const moving = entries.map(({ label }) => ({ own: param(label), trained: pool.param(label) }));
  return { weights: bindWeights(spec, { param }, maxBytes), adapter: undefined, moving };
}

async function loadLora(
  gpu: Gpu,
  { model, spec, baseFormat, reference, value, onBytes }: ModelOptions,
  { settings, values }: Extract<Trainable, { kind: "lora" }>,
): Promise<LoadedModel> {
  const entries = adapterEntries(spec, settings, "policy");
  checkAdapterValues(entries, values);
  const weights = await loadWeights(gpu, model, spec, baseFormat, onBytes);
  const all = [...entries, ...valueEntries(spec, value)];
  const pool = await gpu.guarded("Adapter", () => new ParamPool(gpu, all));
  const param = (label: string) => pool.param(label);
  writeEntries(gpu, all, param, value ? new Map([...values, ...valueValues(spec, value)]) : values);
  const before = gpu.counts.bytes;
  const own = await loraReference();
  return {
    ...{ weights, adapter: bindAdapter(spec, settings, "policy", param), pool, reference: own },
    value: value && bindValue(spec, pool, value, weights),
    copyBytes: { reference: gpu.counts.bytes - before, value: 0 },
  };

  async function loraReference(): Promise<ReferenceModel | undefined> {
    if (reference === undefined) return undefined;
    if (reference === "base") return { weights, adapter: undefined, moving: [] };
    const copies = adapterEntries(spec, settings, "reference");
    const own = await gpu.guarded("Reference adapter", () => tensorsFor(gpu, copies));
    const ownOf = (label: string) => own.get(label) as Tensor;
    writeEntries(gpu, copies, ownOf, values);
    const pairs = copies.map(({ label }, i) => ({
      own: ownOf(label),
      trained: param(entries[i]?.label ?? ""),
    }));
    return {
      weights,
      adapter: bindAdapter(spec, settings, "reference", ownOf),
      moving: reference === "moving" ? pairs : [],
    };
  }
}

/** Tensors that do not train, one an entry. */
function tensorsFor(gpu: Gpu, entries: readonly PoolEntry[]): ReadonlyMap<string, Tensor> {
  return new Map(entries.map(({ label, shape }) => [label, gpu.tensor(label, shape)]));
}

function valueEntries(spec: ModelSpec, value: ValueStart | undefined): PoolEntry[] {
  if (!value) return [];
  const entries = adapterEntries(spec, value.settings, "value");
  checkAdapterValues(entries, value.values);
  const head = { name: VALUE_HEAD, shape: [1, spec.hidden], first: 0 };
  return [
    ...entries.map((entry) => ({
      ...entry,
      names: entry.names.map((name) => ({ ...name, name: VALUE_PREFIX + name.name })),
    })),
    { label: VALUE_HEAD, shape: [1, spec.hidden], decay: true, names: [head] },
  ];
}

/** Whether a part of the pool is the value model's. */
export function isValueEntry({ names }: PoolEntry): boolean {
  return names.some(({ name }) => isValueName(name));
}

/** Whether a name of the pool is the value model's, and so no weight of the model that a run hands out. */
export function isValueName(name: string): boolean {
  return name === VALUE_HEAD || name.startsWith(VALUE_PREFIX);
}

function valueValues({ hidden }: ModelSpec, { values, head }: ValueStart): NamedValues {
  return new Map([
    ...[...values].map(([name, value]) => [VALUE_PREFIX + name, value] as const),
    [VALUE_HEAD, { shape: [1, hidden], data: head }],
  ]);
}

function bindValue(
  spec: ModelSpec,
  pool: ParamPool,
  { settings }: ValueStart,
  weights: ModelWeights,
): ValueModel {
  const adapter = bindAdapter(spec, settings, "value", (label) => pool.param(label));
  return { weights, adapter, head: pool.param(VALUE_HEAD) };
}

/** Uploads values by their names in the file. Throws `checkpoint-invalid` when one is missing. */
export function writeEntries(
  gpu: Gpu,
  entries: readonly PoolEntry[],
  tensorOf: (label: string) => Tensor,
  values: NamedValues,
): void {
  for (const { label, names } of entries) {
    for (const { name, first } of names) gpu.upload(tensorOf(label), dataOf(values, name), 4 * first);
  }
}

function dataOf(values: NamedValues, name: string): Float32Array<ArrayBuffer> {
  const value = values.get(name);
  if (!value) throw new AppError("checkpoint-invalid", `There are no values for ${name}.`);
  return value.data;
}

/** A model that only computes: frozen weights, with a frozen adapter on top where one is given. */
export async function loadFrozen(
  gpu: Gpu,
  options: Pick<ModelOptions, "model" | "spec" | "baseFormat"> & {
    readonly adapter: { readonly settings: LoraSettings; readonly values: NamedValues } | undefined;
  },
): Promise<Pick<LoadedModel, "weights" | "adapter">> {
  const { model, spec, baseFormat, adapter } = options;
  if (!adapter) return { weights: await loadWeights(gpu, model, spec, baseFormat), adapter: undefined };
  return loadModel(gpu, { model, spec, baseFormat, trainable: { kind: "lora", ...adapter } });
}
