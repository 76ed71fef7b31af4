import { type ModelFolder, requireTensor } from "../formats/model_folder.ts";
import { floatReads, readAhead } from "../formats/read_ahead.ts";
import type { TensorSource } from "../formats/safetensors.ts";
import type { Gpu } from "../gpu/device.ts";
import { numel, type Tensor } from "../gpu/tensor.ts";
import type { Weight } from "../kernels/linear/weight.ts";
import { AppError } from "../lib/errors.ts";
import { GROUPS, type GroupName, groupProjections } from "./lora.ts";
import { pacedUpload } from "./paced_upload.ts";
import type { ParamPool, PoolEntry, PoolName } from "./param_pool.ts";
import { type LayerSpec, type ModelSpec, outputs, type Projection } from "./spec.ts";
import type { GroupWeights, ModelWeights, NormWeights, RowShard } from "./weights.ts";

/** Rows of the embedding in one pool entry, so that large vocabularies fit a binding. */
function rowsPerEntry(spec: ModelSpec, maxBytes: number): number {
  return Math.max(1, Math.floor(maxBytes / (4 * spec.hidden)));
}

function tableEntries(name: string, rows: number, cols: number, perEntry: number): PoolEntry[] {
  const entries: PoolEntry[] = [];
  for (let first = 0; first < rows; first += perEntry) {
    const count = Math.min(perEntry, rows - first);
    const whole = count === rows;
    entries.push({
      label: `${name}.weight[${first}]`,
      shape: [count, cols],
      decay: true,
      names: [
        whole
          ? { name: `${name}.weight`, shape: [count, cols], first: 0 }
          : { name: `${name}.weight[${first}]`, shape: [count, cols], first: 0, tableRows: rows },
      ],
    });
  }
  return entries;
}

/** Projections of a group that lie in one entry, and the columns of the group's output that they make. */
interface GroupSlice {
  readonly label: string;
  readonly projections: readonly Projection[];
  readonly column: number;
}

/** One entry for all projections of a group where a binding holds it, else one for each. */
function groupParts(layer: LayerSpec, name: GroupName, maxBytes: number): GroupSlice[] {
  const projections = groupProjections(layer, name);
  const label = `${layer.inputNorm}.${name}`;
  const inputs = projections[0]?.inputs ?? 0;
  if (4 * outputs(projections) * inputs <= maxBytes) return [{ label, projections, column: 0 }];
  return projections.map((projection, i) => ({
    ...{ label: `${label}.${i}`, projections: [projection] },
    column: outputs(projections.slice(0, i)),
  }));
}

function partEntries(spec: ModelSpec, { label, projections }: GroupSlice): PoolEntry[] {
  const inputs = projections[0]?.inputs ?? 0;
  const rows = outputs(projections);
  const matrix: PoolEntry = {
    label,
    shape: spec.conv1d ? [inputs, rows] : [rows, inputs],
    decay: true,
    names: projections.map((projection, i) => ({
      name: `${projection.file}.weight`,
      shape: spec.conv1d ? [inputs, projection.outputs] : [projection.outputs, inputs],
      first: outputs(projections.slice(0, i)) * inputs,
    })),
  };
  if (!projections.some((projection) => projection.bias)) return [matrix];
  const bias: PoolEntry = {
    label: `${label}.bias`,
    shape: [rows],
    decay: false,
    names: projections.map((projection, i) => ({
      name: `${projection.file}.bias`,
      shape: [projection.outputs],
      first: outputs(projections.slice(0, i)),
    })),
  };
  return [matrix, bias];
}

/**
 * The trainable tensors of full fine-tuning: every weight of the model, under its name in the file; projections that
 * share an input lie in one entry where it fits. `maxBytes` is the largest tensor.
 */
export function weightEntries(spec: ModelSpec, maxBytes: number): PoolEntry[] {
  const vector = (name: string, size: number): PoolEntry => ({
    label: name,
    shape: [size],
    decay: false,
    names: [{ name, shape: [size], first: 0 }],
  });
  const norm = (name: string | undefined, size: number): PoolEntry[] => {
    if (name === undefined) return [];
    const weight = vector(`${name}.weight`, size);
    return spec.norm.kind === "layernorm" ? [weight, vector(`${name}.bias`, size)] : [weight];
  };
  const plainNorm = (name: string | undefined): PoolEntry[] =>
    name === undefined ? [] : [vector(`${name}.weight`, spec.headDim)];
  const group = (layer: LayerSpec, name: GroupName): PoolEntry[] =>
    groupParts(layer, name, maxBytes).flatMap((part) => partEntries(spec, part));
  const perEntry = rowsPerEntry(spec, maxBytes);
  return [
    ...tableEntries(spec.embedding, spec.vocab, spec.hidden, perEntry),
    ...(spec.positionTable
      ? tableEntries(spec.positionTable, spec.maxPositions, spec.hidden, spec.maxPositions)
      : []),
    ...spec.layers.flatMap((layer) => [
      ...norm(layer.inputNorm, spec.hidden),
      ...norm(layer.mlpNorm, spec.hidden),
      ...norm(layer.postAttentionNorm, spec.hidden),
      ...norm(layer.postMlpNorm, spec.hidden),
      ...plainNorm(layer.qNorm),
      ...plainNorm(layer.kNorm),
      ...GROUPS.flatMap((name) => group(layer, name)),
    ]),
    ...norm(spec.finalNorm, spec.hidden),
    ...(spec.head === spec.embedding ? [] : tableEntries(spec.head, spec.vocab, spec.hidden, perEntry)),
  ];
}

/** The model over tensors made for `weightEntries`, by their labels. */
export function bindWeights(spec: ModelSpec, pool: Pick<ParamPool, "param">, maxBytes: number): ModelWeights {
  const f32 = (tensor: Tensor): Weight => {
    const [rows = 0, cols = 0] = tensor.shape;
    return { tensor, format: "f32", rows, cols, first: 0 };
  };
  const norm = (name: string): NormWeights => ({
    weight: pool.param(`${name}.weight`),
    bias: spec.norm.kind === "layernorm" ? pool.param(`${name}.bias`) : undefined,
  });
  const table = (name: string): RowShard[] =>
    tableEntries(name, spec.vocab, spec.hidden, rowsPerEntry(spec, maxBytes)).map(({ label }, i) => ({
      weight: f32(pool.param(label)),
      firstRow: i * rowsPerEntry(spec, maxBytes),
    }));
  const group = (layer: LayerSpec, name: GroupName): GroupWeights => {
    const projections = groupProjections(layer, name);
    return {
      inputs: projections[0]?.inputs ?? 0,
      outputs: outputs(projections),
      parts: groupParts(layer, name, maxBytes).map(({ label, projections: own, column }) => ({
        weight: f32(pool.param(label)),
        column,
        bias: own.some(({ bias }) => bias) ? pool.param(`${label}.bias`) : undefined,
      })),
    };
  };
  const embedding = table(spec.embedding);
  return {
    embedding,
    positionTable: spec.positionTable ? f32(pool.param(`${spec.positionTable}.weight[0]`)) : undefined,
    layers: spec.layers.map((layer) => ({
      inputNorm: norm(layer.inputNorm),
      mlpNorm: norm(layer.mlpNorm),
      postAttentionNorm: layer.postAttentionNorm ? norm(layer.postAttentionNorm) : undefined,
      postMlpNorm: layer.postMlpNorm ? norm(layer.postMlpNorm) : undefined,
      qNorm: layer.qNorm ? pool.param(`${layer.qNorm}.weight`) : undefined,
      kNorm: layer.kNorm ? pool.param(`${layer.kNorm}.weight`) : undefined,
      qkv: group(layer, "qkv"),
      output: group(layer, "output"),
      up: group(layer, "up"),
      down: group(layer, "down"),
    })),
    finalNorm: norm(spec.finalNorm),
    head: spec.head === spec.embedding ? embedding : table(spec.head),
  };
}

/**
 * Fills tensors made for `weightEntries` from the file, everything upcast to f32, a few slices at a time. On a device that
 * only counts it checks the shapes alone. Throws `model-invalid`, `file-invalid`.
 */
export async function uploadWeights(
  gpu: Gpu,
  model: ModelFolder,
  entries: readonly PoolEntry[],
  tensorOf: (label: string) => Tensor,
  onBytes: (bytes: number) => void = () => {},
): Promise<void> {
  const upload = pacedUpload(gpu);
  const reads = entries.flatMap(({ label, names }) =>
    names.flatMap((entry) => {
      const { source, start } = sourceOf(model, entry);
      const range = [start, start + numel(entry.shape)] as const;
      return floatReads(source, range, (values, at) =>
        upload(tensorOf(label), values, 4 * (entry.first + at)),
      );
    }),
  );
  if (!gpu.isDry) await readAhead(reads, onBytes);
}

/** A name of the pool is a tensor of the file, or, with `[row]` behind it, some of its rows: from element `start` on. */
function sourceOf(
  model: ModelFolder,
  { name, shape, tableRows }: PoolName,
): { readonly source: TensorSource; readonly start: number } {
  const [, table = name, row] = /^(.*)\[(\d+)\]$/.exec(name) ?? [];
  const source = requireTensor(model, table);
  const expected = tableRows === undefined ? shape : [tableRows, shape[1]];
  if (source.shape.join() !== expected.join()) {
    throw new AppError(
      "model-invalid",
      `${source.file}: ${table} is (${source.shape.join(", ")}), but config.json makes it (${expected.join(", ")}).`,
      { details: { tensor: table } },
    );
  }
  return { source, start: Number(row ?? 0) * (shape[1] ?? 1) };
}
