import { type ModelFolder, requireTensor } from "../formats/model_folder.ts";
import { dequantizeNf4, quantizeNf4 } from "../formats/nf4.ts";
import { floatReads, readAhead, slicedReads, type TensorRead } from "../formats/read_ahead.ts";
import type { TensorSource } from "../formats/safetensors.ts";
import { largestTensor } from "../gpu/capabilities.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/tensor.ts";
import type { Weight, WeightFormat } from "../kernels/linear/weight.ts";
import { AppError, invariant } from "../lib/errors.ts";
import { type GroupName, groupProjections } from "./lora.ts";
import { pacedUpload } from "./paced_upload.ts";
import { Nf4Matrix, Nf4Quantizer, padTo4 } from "./quantize_weights.ts";
import { type LayerSpec, type ModelSpec, outputs, type Projection } from "./spec.ts";
import type {
  BaseFormat,
  GroupPart,
  GroupWeights,
  LayerWeights,
  ModelWeights,
  NormWeights,
  RowShard,
} from "./weights.ts";

const FORMAT_OF: Readonly<Record<string, Exclude<WeightFormat, "nf4">>> = {
  F32: "f32",
  BF16: "bf16",
  F16: "f16",
};
const BYTES = { f32: 4, bf16: 2, f16: 2 } as const;

/**
 * Makes GPU tensors for a model folder and lists what is to be read into them. The one place that knows in which form each
 * weight is kept.
 */
class Loader {
  readonly #gpu: Gpu;
  readonly #model: ModelFolder;
  readonly #format: BaseFormat;
  readonly #reads: TensorRead[] = [];
  /** The bytes of the largest slice to quantise, by format, and the quantisers when they are made. */
  readonly #slices = new Map<keyof typeof BYTES, number>();
  readonly #quantizers = new Map<keyof typeof BYTES, Nf4Quantizer>();
  readonly #finished: Promise<void>[] = [];
  readonly #upload: ReturnType<typeof pacedUpload>;

  constructor(gpu: Gpu, model: ModelFolder, format: BaseFormat) {
    this.#gpu = gpu;
    this.#model = model;
    this.#format = format;
    this.#upload = pacedUpload(gpu);
  }

  /** Reads everything into its place. On a device that only counts, nothing but the scratch space is made. */
  async read(onBytes: (bytes: number) => void): Promise<void> {
    const { free } = await this.#gpu.owned(async () => {
      for (const [format, bytes] of this.#slices) {
        this.#quantizers.set(format, await Nf4Quantizer.create(this.#gpu, format, bytes));
      }
    });
    try {
      if (this.#gpu.isDry) return;
      await readAhead(this.#reads, onBytes);
      await Promise.all(this.#finished);
      await this.#gpu.idle();
    } finally {
      free();
    }
  }

  source(name: string, shape: readonly number[]): TensorSource {
    const source = requireTensor(this.#model, name);
    if (source.shape.join() !== shape.join()) {
      throw new AppError(
        "model-invalid",
        `${source.file}: ${name} is (${source.shape.join(", ")}), but config.json makes it (${shape.join(", ")}).`,
        { details: { tensor: name, found: [...source.shape], expected: [...shape] } },
      );
    }
    return source;
  }

  formatOf(source: TensorSource): keyof typeof BYTES {
    const format = FORMAT_OF[source.dtype];
    if (format) return format;
    throw new AppError(
      "model-unsupported",
      `${source.file}: ${source.name} is stored as ${source.dtype}. Supported: F32, BF16, F16.`,
      { details: { tensor: source.name, dtype: source.dtype } },
    );
  }

  /** Norm weights and biases: always f32. */
  small(name: string, size: number): Tensor {
    const source = this.source(name, [size]);
    this.formatOf(source);
    const tensor = this.#gpu.tensor(name, [size]);
    this.#reads.push(...floatReads(source, [0, size], (values, at) => this.#upload(tensor, values, 4 * at)));
    return tensor;
  }

  norm(name: string, size: number, hasBias: boolean): NormWeights {
    return {
      weight: this.small(`${name}.weight`, size),
      bias: hasBias ? this.small(`${name}.bias`, size) : undefined,
    };
  }

  /** Matrices of the same width and type, one below the other in one buffer. */
  matrix(label: string, sources: readonly TensorSource[]): Weight {
    const [first] = sources;
    if (!first) throw new Error(`${label}: no tensors`);
    const format = this.formatOf(first);
    const cols = first.shape[1] ?? 0;
    const rows = sources.reduce((sum, source) => sum + (source.shape[0] ?? 0), 0);
    const words = Math.ceil((rows * cols * BYTES[format]) / 4);
    const tensor = this.#gpu.tensor(label, [words]);
    let offset = 0;
    for (const source of sources) {
      this.#copy(source, [0, source.byteLength], tensor, offset);
      offset += source.byteLength;
    }
    return { tensor, format, rows, cols, first: 0 };
  }

  /** Rows of a table, in buffers that a binding can hold. */
  rowShards(name: string, rows: number, cols: number): RowShard[] {
    const source = this.source(`${name}.weight`, [rows, cols]);
    const format = this.formatOf(source);
    const rowBytes = cols * BYTES[format];
    // An even number of rows keeps every shard's bytes a multiple of 4 in 16-bit formats.
    const perShard = 2 * Math.max(1, Math.floor(largestTensor(this.#gpu.capabilities) / rowBytes / 2));
    const shards: RowShard[] = [];
    for (let firstRow = 0; firstRow < rows; firstRow += perShard) {
      const count = Math.min(perShard, rows - firstRow);
      const label = `${name}.rows${firstRow}`;
      const tensor = this.#gpu.tensor(label, [Math.ceil((count * rowBytes) / 4)]);
      this.#copy(source, [firstRow * rowBytes, (firstRow + count) * rowBytes], tensor, 0);
      shards.push({ weight: { tensor, format, rows: count, cols, first: 0 }, firstRow });
    }
    return shards;
  }

  #copy(source: TensorSource, range: readonly [number, number], tensor: Tensor, offset: number): void {
    const take = (bytes: Uint8Array<ArrayBuffer>, at: number) =>
      this.#upload(tensor, padTo4(bytes), offset + at);
    this.#reads.push(...slicedReads(source, range, take));
  }

  #quantized(source: TensorSource): Weight {
    const format = this.formatOf(source);
    const [rows = 0, cols = 0] = source.shape;
    if (this.#format === "nf4-roundtrip") return this.#roundTrip(source, rows, cols);
    const matrix = new Nf4Matrix(this.#gpu, source.name, rows, cols);
    const take = async (bytes: Uint8Array<ArrayBuffer>, at: number) => {
      const quantizer = this.#quantizers.get(format);
      invariant(quantizer, `${source.name}: no quantiser of ${format}`);
      await matrix.add(quantizer, bytes, at / BYTES[format]);
      if (at + bytes.length < source.byteLength) return;
      const finished = matrix.finish();
      // Awaited with all the others; until then a failure is not unhandled.
      finished.catch(() => {});
      this.#finished.push(finished);
    };
    const reads = slicedReads(source, [0, source.byteLength], take);
    const longest = Math.max(...reads.map(({ start, end }) => end - start));
    this.#slices.set(format, Math.max(this.#slices.get(format) ?? 0, longest));
    this.#reads.push(...reads);
    return matrix.weight;
  }

  #roundTrip(source: TensorSource, rows: number, cols: number): Weight {
    const elements = rows * cols;
    const tensor = this.#gpu.tensor(source.name, [elements]);
    let values: Float32Array<ArrayBuffer> | undefined;
    const take = async (part: Float32Array<ArrayBuffer>, at: number) => {
      values ??= new Float32Array(elements);
      values.set(part, at);
      if (at + part.length < elements) return;
      await this.#upload(tensor, dequantizeNf4(quantizeNf4(values), elements));
      values = undefined;
    };
    this.#reads.push(...floatReads(source, [0, elements], take));
    return { tensor, format: "f32", rows, cols, first: 0 };
  }

  group(label: string, projections: readonly Projection[], conv1d: boolean): GroupWeights {
    const sources = projections.map(({ file, inputs, outputs: rows }) =>
      this.source(`${file}.weight`, conv1d ? [inputs, rows] : [rows, inputs]),
    );
    const biases: (Tensor | undefined)[] = [];
    for (const { file, bias, outputs: rows } of projections) {
      biases.push(bias ? this.small(`${file}.bias`, rows) : undefined);
    }
    const shape = { inputs: projections[0]?.inputs ?? 0, outputs: outputs(projections) };
    if (this.#format === "stored" && this.#fits(sources) && biases.every((bias) => bias === undefined)) {
      const weight = this.matrix(label, sources);
      return { ...shape, parts: [{ weight, column: 0, bias: undefined }] };
    }
    const parts: GroupPart[] = [];
    let column = 0;
    for (const [i, projection] of projections.entries()) {
      const source = sources[i] as TensorSource;
      const weight = this.#format === "stored" ? this.matrix(source.name, [source]) : this.#quantized(source);
      parts.push({ weight, column, bias: biases[i] });
      column += projection.outputs;
    }
    return { ...shape, parts };
  }

  /** Whether matrices can share one buffer: same type, whole words each, within one binding. */
  #fits(sources: readonly TensorSource[]): boolean {
    const total = sources.reduce((sum, source) => sum + source.byteLength, 0);
    const same = new Set(sources.map((source) => source.dtype)).size === 1;
    const whole = sources.every((source) => source.byteLength % 4 === 0);
    return same && whole && total <= largestTensor(this.#gpu.capabilities);
  }
}

/**
 * Loads a model whose weights stay frozen: everything is allocated first, then read a few slices at a time, so that the
 * host's memory holds no more than those. What is quantised passes through scratch space for one slice, freed at the end.
 * Throws `model-invalid`, `model-unsupported`, `file-invalid`, `gpu-out-of-memory`.
 */
export async function loadWeights(
  gpu: Gpu,
  model: ModelFolder,
  spec: ModelSpec,
  format: BaseFormat,
  onBytes: (bytes: number) => void = () => {},
): Promise<ModelWeights> {
  const loader = new Loader(gpu, model, format);
  const what = `Loading ${model.name}`;
  const weights = await gpu.guarded(what, () => makeWeights(loader, spec));
  await gpu.guarded(what, () => loader.read(onBytes));
  return weights;
}

function makeWeights(loader: Loader, spec: ModelSpec): ModelWeights {
  const hasBias = spec.norm.kind === "layernorm";
  const embedding = loader.rowShards(spec.embedding, spec.vocab, spec.hidden);
  const table = spec.positionTable;
  return {
    embedding,
    positionTable: table
      ? loader.matrix(table, [loader.source(`${table}.weight`, [spec.maxPositions, spec.hidden])])
      : undefined,
    layers: spec.layers.map((layer) => makeLayer(loader, spec, layer, hasBias)),
    finalNorm: loader.norm(spec.finalNorm, spec.hidden, hasBias),
    head: spec.head === spec.embedding ? embedding : loader.rowShards(spec.head, spec.vocab, spec.hidden),
  };
}

function makeLayer(loader: Loader, spec: ModelSpec, layer: LayerSpec, hasBias: boolean): LayerWeights {
  const { hidden, headDim } = spec;
  const norm = (name: string) => loader.norm(name, hidden, hasBias);
  const group = (name: GroupName) =>
    loader.group(`${layer.inputNorm}.${name}`, groupProjections(layer, name), spec.conv1d);
  return {
    inputNorm: norm(layer.inputNorm),
    mlpNorm: norm(layer.mlpNorm),
    postAttentionNorm: layer.postAttentionNorm ? norm(layer.postAttentionNorm) : undefined,
    postMlpNorm: layer.postMlpNorm ? norm(layer.postMlpNorm) : undefined,
    qNorm: layer.qNorm ? loader.small(`${layer.qNorm}.weight`, headDim) : undefined,
    kNorm: layer.kNorm ? loader.small(`${layer.kNorm}.weight`, headDim) : undefined,
    qkv: group("qkv"),
    output: group("output"),
    up: group("up"),
    down: group("down"),
  };
}
