import type { Tensor } from "../gpu/tensor.ts";
import { numel } from "../gpu/tensor.ts";
import type { LoraSegment } from "../kernels/linear/weight.ts";
import { AppError } from "../lib/errors.ts";
import { Random } from "../lib/random.ts";
import type { PoolEntry } from "./param_pool.ts";
import { type LayerSpec, type ModelSpec, outputs, type Projection, projectionsOf } from "./spec.ts";
import { matchTargets, type TargetModules } from "./targets.ts";

export interface LoraSettings {
  readonly rank: number;
  readonly alpha: number;
  readonly rsLora: boolean;
  readonly dropout: number;
  readonly targets: TargetModules;
}

/** The adapter of projections that share an input: their A stacked (ru, in), their B stacked (rows, r). */
export interface LoraGroup {
  readonly label: string;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly rank: number;
  readonly scale: number;
  /** Which columns of the group's output each adapted projection makes. */
  readonly segments: readonly LoraSegment[];
  /** Seeds the dropout masks: a number of its own for every adapted projection. */
  readonly tag: number;
}

export const GROUPS = ["qkv", "output", "up", "down"] as const;
export type GroupName = (typeof GROUPS)[number];

export type LayerAdapter = Readonly<Partial<Record<GroupName, LoraGroup>>>;

/** A LoRA adapter on the GPU. arXiv:2106.09685; alpha / sqrt(r) with rsLoRA, arXiv:2312.03732. */
export interface Adapter {
  readonly settings: LoraSettings;
  readonly layers: readonly LayerAdapter[];
}

export function loraScale({ alpha, rank, rsLora }: LoraSettings): number {
  return rsLora ? alpha / Math.sqrt(rank) : alpha / rank;
}

export function groupProjections(layer: LayerSpec, group: GroupName): readonly Projection[] {
  const list = { qkv: layer.qkv, output: [layer.output], up: layer.up, down: [layer.down] };
  return list[group];
}

/** PEFT's key of one side of one module's adapter. */
export function peftKey(module: string, side: "A" | "B"): string {
  return `base_model.model.${module}.lora_${side}.weight`;
}

interface PlannedGroup {
  readonly layer: number;
  readonly group: GroupName;
  readonly inputs: number;
  readonly adapted: readonly Projection[];
  readonly segments: readonly LoraSegment[];
  readonly rows: number;
}

/** The groups that an adapter has, before any memory. Throws `config-invalid` when targets match nothing. */
function planGroups(spec: ModelSpec, settings: LoraSettings): PlannedGroup[] {
  const targets = matchTargets(projectionsOf(spec), settings.targets);
  const planned: PlannedGroup[] = [];
  spec.layers.forEach((layer, index) => {
    for (const group of GROUPS) {
      const projections = groupProjections(layer, group);
      const adapted = projections.filter((projection) => targets.has(projection));
      const first = adapted[0];
      if (!first) continue;
      let column = 0;
      const segments: LoraSegment[] = [];
      for (const projection of projections) {
        if (targets.has(projection)) {
          const row = outputs(adapted.slice(0, segments.length));
          segments.push({
            begin: column,
            end: column + projection.outputs,
            u: segments.length * settings.rank,
            row,
          });
        }
        column += projection.outputs;
      }
      planned.push({ layer: index, group, inputs: first.inputs, adapted, segments, rows: outputs(adapted) });
    }
  });
  return planned;
}

const labelOf = (name: string, { layer, group }: PlannedGroup, side: "A" | "B") =>
  `${name}.${layer}.${group}.${side}`;

/** The trainable tensors of an adapter. `name` tells adapters of one run apart (policy, value). */
export function adapterEntries(spec: ModelSpec, settings: LoraSettings, name: string): PoolEntry[] {
  return planGroups(spec, settings).flatMap((planned) => {
    const { rank } = settings;
    const { adapted, inputs, rows } = planned;
    const a: PoolEntry = {
      label: labelOf(name, planned, "A"),
      shape: [adapted.length * rank, inputs],
      decay: true,
      names: adapted.map(({ module }, i) => ({
        name: peftKey(module, "A"),
        shape: [rank, inputs],
        first: i * rank * inputs,
      })),
    };
    const b: PoolEntry = {
      label: labelOf(name, planned, "B"),
      shape: [rows, rank],
      decay: true,
      names: adapted.map((projection, i) => ({
        name: peftKey(projection.module, "B"),
        shape: [projection.outputs, rank],
        first: outputs(adapted.slice(0, i)) * rank,
      })),
    };
    return [a, b];
  });
}

/** Binds an adapter to tensors made for its entries. */
export function bindAdapter(
  spec: ModelSpec,
  settings: LoraSettings,
  name: string,
  tensorOf: (label: string) => Tensor,
): Adapter {
  const layers: Partial<Record<GroupName, LoraGroup>>[] = spec.layers.map(() => ({}));
  planGroups(spec, settings).forEach((planned, index) => {
    const layer = layers[planned.layer];
    if (!layer) return;
    layer[planned.group] = {
      label: `${name}.${planned.layer}.${planned.group}`,
      a: tensorOf(labelOf(name, planned, "A")),
      b: tensorOf(labelOf(name, planned, "B")),
      rank: settings.rank,
      scale: loraScale(settings),
      segments: planned.segments,
      tag: 4 * index,
    };
  });
  return { settings, layers };
}

/**
 * PEFT's initial values by key: A uniform in (-1/sqrt(in), 1/sqrt(in)) (Kaiming with a = sqrt(5)), B zero. Each module
 * has a stream of its own, so the values of one do not depend on which others are adapted.
 */
export function initialAdapter(
  spec: ModelSpec,
  settings: LoraSettings,
  seed: number,
): Map<string, Float32Array<ArrayBuffer>> {
  const all = projectionsOf(spec);
  const targets = matchTargets(all, settings.targets);
  const values = new Map<string, Float32Array<ArrayBuffer>>();
  all.forEach((projection, index) => {
    if (!targets.has(projection)) return;
    const { module, inputs, outputs: rows } = projection;
    const random = new Random(seed, 1000 + index);
    const bound = 1 / Math.sqrt(inputs);
    const a = new Float32Array(settings.rank * inputs);
    for (let i = 0; i < a.length; i++) a[i] = (2 * random.uniform() - 1) * bound;
    values.set(peftKey(module, "A"), a);
    values.set(peftKey(module, "B"), new Float32Array(rows * settings.rank));
  });
  return values;
}

/**
 * Checks that values from a file are exactly what the entries need. Throws `adapter-unsupported` for keys that are
 * missing, left over, or of another shape: an adapter for another model.
 */
export function checkAdapterValues(
  entries: readonly PoolEntry[],
  values: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): void {
  const names = entries.flatMap((entry) => entry.names);
  for (const { name, shape } of names) {
    const found = values.get(name);
    const size = found ? `(${found.shape.join(", ")})` : "missing";
    if (!found || found.shape.join() !== shape.join() || numel(found.shape) === 0) {
      throw new AppError(
        "adapter-unsupported",
        `The adapter does not fit this model: ${name} must be (${shape.join(", ")}), and is ${size}.`,
        { details: { tensor: name } },
      );
    }
  }
  const known = new Set(names.map(({ name }) => name));
  const extra = [...values.keys()].find((name) => !known.has(name));
  if (extra) {
    throw new AppError(
      "adapter-unsupported",
      `The adapter has ${extra}, which this model has no place for.`,
      {
        details: { tensor: extra },
      },
    );
  }
}
