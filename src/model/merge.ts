import type { Adapter, AdapterPair } from "../formats/adapter.ts";
import { adapterScale } from "../formats/adapter_config.ts";
import { DTYPE_BYTES, encodeFloats, type FloatDtype } from "../formats/dtype.ts";
import type { ModelFolder } from "../formats/model_folder.ts";
import type { TensorSource } from "../formats/safetensors.ts";
import type { TensorMaker } from "../formats/safetensors_asset.ts";
import { AppError } from "../lib/errors.ts";
import { type ModelSpec, projectionsOf } from "./spec.ts";

/** Above this, IEEE binary16 rounds to infinity. */
const HALF_LIMIT = 65520;

const FLOATS: readonly string[] = ["F32", "F16", "BF16"];

/** A matrix of the base as stored, and its adapter as two factors: row i gains scale * left[i, :] right. */
interface Factors {
  readonly rank: number;
  readonly cols: number;
  readonly scale: number;
  /** (rows, r) */
  readonly left: Float32Array;
  /** (r, cols) */
  readonly right: Float32Array;
}

export interface MergedModel {
  /** Every tensor of the base's files under its name there, made as it is read. */
  readonly tensors: readonly TensorMaker[];
  /** The types in which the base stores the matrices that were adapted. */
  readonly basePrecision: readonly string[];
}

/**
 * The base with an adapter merged in: W + scale B A for every adapted matrix, from the bytes of the base's own files and
 * never from a quantised copy; everything else as it is. The sum is made in double precision, rounded to float32, and then
 * to `dtype` or, with "stored", to the type the base has. Without an adapter only types change.
 * Throws `adapter-unsupported` for an adapter that does not fit, `model-invalid` and `model-unsupported` for weights that
 * cannot be merged; and on reading `export-invalid` when a value does not fit the type. Source: PEFT, LoraLayer.merge.
 */
export function mergeAdapter(
  model: ModelFolder,
  spec: ModelSpec,
  adapter: Adapter | undefined,
  dtype: FloatDtype | "stored" = "stored",
): MergedModel {
  const matrices = new Map<string, () => Promise<Factors>>();
  const precision = new Set<string>();
  const projections = new Map(projectionsOf(spec).map((projection) => [projection.module, projection]));
  for (const [path, pair] of adapter?.modules ?? []) {
    const projection = projections.get(path);
    const source = projection && model.tensors.get(`${projection.file}.weight`);
    if (!adapter || !source) throw misfit(path, "is no linear layer of this model");
    const { inputs, outputs } = projection;
    const shape = spec.conv1d ? [inputs, outputs] : [outputs, inputs];
    if (source.shape.join() !== shape.join() || pair.a.shape[1] !== inputs || pair.b.shape[0] !== outputs) {
      throw misfit(path, `has A (${pair.a.shape.join(", ")}) and B (${pair.b.shape.join(", ")})`);
    }
    if (!FLOATS.includes(source.dtype)) {
      throw new AppError(
        "model-unsupported",
        `${source.file}: ${source.name} is stored as ${source.dtype}; an adapter can be merged into ${FLOATS.join(", ")}.`,
        { details: { tensor: source.name, dtype: source.dtype } },
      );
    }
    precision.add(source.dtype);
    const scale = adapterScale(adapter.config);
    matrices.set(`${projection.file}.weight`, () => factorsOf(pair, spec.conv1d, adapter.config.r, scale));
  }
  const tensors = [...model.tensors].map(([key, source]) => makerOf(source, matrices.get(key), dtype));
  return { tensors, basePrecision: [...precision].sort() };
}

function misfit(path: string, why: string): AppError {
  return new AppError(
    "adapter-unsupported",
    `The adapter does not fit this model: ${path} ${why}. Give the base that it was trained on.`,
    { details: { module: path } },
  );
}

/** A file of (out, in) has rows of B and A; one of (in, out), GPT-2's, has rows of A transposed and B transposed. */
async function factorsOf(
  { a, b }: AdapterPair,
  conv1d: boolean,
  rank: number,
  scale: number,
): Promise<Factors> {
  const [down, up] = [await a.floats(), await b.floats()];
  const [inputs, outputs] = [down.length / rank, up.length / rank];
  if (!conv1d) return { rank, cols: inputs, scale, left: up, right: down };
  return { rank, cols: outputs, scale, left: transposed(down, rank), right: transposed(up, outputs) };
}

function transposed(values: Float32Array, rows: number): Float32Array {
  const cols = values.length / rows;
  const result = new Float32Array(values.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) result[j * rows + i] = values[i * cols + j] ?? 0;
  return result;
}

function makerOf(
  source: TensorSource,
  factors: (() => Promise<Factors>) | undefined,
  wanted: FloatDtype | "stored",
): TensorMaker {
  const { name, shape } = source;
  const isFloat = FLOATS.includes(source.dtype);
  const dtype = wanted === "stored" || !isFloat ? source.dtype : wanted;
  if (!factors && dtype === source.dtype)
    return { name, shape, dtype, bytes: (start, end) => source.bytes(start, end) };
  const size = DTYPE_BYTES[dtype];
  const cols = shape.at(-1) ?? 1;
  // Slices come one after the other, so the factors of one matrix are kept until its last byte was made.
  let held: Promise<Factors> | undefined;
  const bytes: TensorMaker["bytes"] = async (start, end) => {
    const firstRow = Math.floor(start / size / cols);
    const endRow = Math.ceil(end / size / cols);
    const values = (await source.floats(firstRow * cols, endRow * cols)).slice();
    if (factors) {
      held ??= factors();
      addProduct(values, firstRow, await held);
      if (end === source.byteLength * (size / DTYPE_BYTES[source.dtype])) held = undefined;
    }
    checkValues(name, values, dtype);
    const from = firstRow * cols * size;
    return encodeFloats(values, dtype as FloatDtype).subarray(start - from, end - from);
  };
  return { name, shape, dtype, bytes };
}

/** Adds scale * left[firstRow + i, :] right to each row i of values. */
function addProduct(values: Float32Array, firstRow: number, factors: Factors): void {
  const row = new Float64Array(factors.cols);
  for (let at = 0, i = firstRow; at < values.length; at += factors.cols, i++) {
    productRow(row, i, factors);
    for (let j = 0; j < row.length; j++)
      values[at + j] = (values[at + j] ?? 0) + factors.scale * (row[j] ?? 0);
  }
}

function productRow(row: Float64Array, i: number, { rank, cols, left, right }: Factors): void {
  row.fill(0);
  for (let k = 0; k < rank; k++) {
    const factor = left[i * rank + k] ?? 0;
    const start = k * cols;
    for (let j = 0; j < cols; j++) row[j] = (row[j] ?? 0) + factor * (right[start + j] ?? 0);
  }
}

function checkValues(name: string, values: Float32Array, dtype: string): void {
  const limit = dtype === "F16" ? HALF_LIMIT : Number.POSITIVE_INFINITY;
  const bad = values.find((value) => !(Math.abs(value) < limit));
  if (bad === undefined) return;
  const advice = Number.isFinite(bad)
    ? "16-bit floats of this kind end at 65504: save as BF16 or F32."
    : "The weights or the adapter are damaged.";
  throw new AppError(
    "export-invalid",
    `${name} would hold ${bad}, which ${dtype} cannot. ${advice} Nothing is lost: the run is as it was.`,
    { details: { tensor: name, dtype } },
  );
}
