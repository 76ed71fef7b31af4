import { type ModelFolder, requireTensor } from "../formats/model_folder.ts";
import { dequantizeNf4, nf4Layout, quantizeNf4 } from "../formats/nf4.ts";
import type { TensorSource } from "../formats/safetensors.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/tensor.ts";
import type { Weight, WeightFormat } from "../kernels/linear/weight.ts";
import { AppError } from "../lib/errors.ts";
import { type GroupName, groupProjections } from "./lora.ts";
import { type LayerSpec, type ModelSpec, outputs, type Projection } from "./spec.ts";

export interface NormWeights {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

/** A part of a group: one matrix, and the columns of the group's output that it makes. */
export interface GroupPart {
  readonly weight: Weight;
  readonly column: number;
  readonly bias: Tensor | undefined;
}

/** Linear layers that share an input. One part when their matrices lie in one buffer, else several. */
export interface GroupWeights {
  readonly parts: readonly GroupPart[];
  readonly inputs: number;
  readonly outputs: number;
}

export interface LayerWeights extends Readonly<Record<GroupName, GroupWeights>> {
  readonly inputNorm: NormWeights;
  readonly mlpNorm: NormWeights;
  readonly postAttentionNorm: NormWeights | undefined;
  readonly postMlpNorm: NormWeights | undefined;
  readonly qNorm: Tensor | undefined;
  readonly kNorm: Tensor | undefined;
}

/** Rows [firstRow, firstRow + weight.rows) of a table over the vocabulary. */
export interface RowShard {
  readonly weight: Weight;
  readonly firstRow: number;
}

export interface ModelWeights {
  readonly embedding: readonly RowShard[];
  readonly positionTable: Weight | undefined;
  readonly layers: readonly LayerWeights[];
  readonly finalNorm: NormWeights;
  /** The embedding's own shards when they are tied. */
  readonly head: readonly RowShard[];
}

/** How the weights of the layers' linears are kept. */
export type BaseFormat =
  /** As the file has them. */
  | "stored"
  /** Four bits, double quantisation. */
  | "nf4"
  /** f32 after a round trip through four bits: what nf4 must equal. For checks only. */
  | "nf4-roundtrip";

const FORMAT_OF: Readonly<Record<string, WeightFormat>> = { F32: "f32", BF16: "bf16", F16: "f16" };
const BYTES: Readonly<Record<WeightFormat, number>> = { f32: 4, bf16: 2, f16: 2, nf4: 0.5 };
/** Bytes read and uploaded at a time: what a model of any size needs of the host's memory. */
const SLICE = 16 * 2 ** 20;

/** Makes GPU tensors from a model folder. The one place that knows in which form each weight is kept. */
class Loader {
  readonly #gpu: Gpu;
  readonly #model: ModelFolder;
  readonly #format: BaseFormat;
  readonly #onBytes: (bytes: number) => void;

  constructor(gpu: Gpu, model: ModelFolder, format: BaseFormat, onBytes: (bytes: number) => void) {
    this.#gpu = gpu;
    this.#model = model;
    this.#format = format;
    this.#onBytes = onBytes;
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

  formatOf(source: TensorSource): WeightFormat {
    const format = FORMAT_OF[source.dtype];
    if (format) return format;
    throw new AppError(
      "model-unsupported",
      `${source.file}: ${source.name} is stored as ${source.dtype}. Supported: F32, BF16, F16.`,
      { details: { tensor: source.name, dtype: source.dtype } },
    );
  }

  /** Norm weights and biases: always f32. */
  async small(name: string, size: number): Promise<Tensor> {
    const source = this.source(name, [size]);
    this.formatOf(source);
    const tensor = this.#gpu.tensor(name, [size]);
    this.#gpu.upload(tensor, await source.floats());
    this.#onBytes(source.byteLength);
    return tensor;
  }

  async norm(name: string, size: number, hasBias: boolean): Promise<NormWeights> {
    return {
      weight: await this.small(`${name}.weight`, size),
      bias: hasBias ? await this.small(`${name}.bias`, size) : undefined,
    };
  }

  /** Matrices of the same width and type, one below the other in one buffer. */
  async matrix(label: string, sources: readonly TensorSource[]): Promise<Weight> {
    const [first] = sources;
    if (!first) throw new Error(`${label}: no tensors`);
    const format = this.formatOf(first);
    const cols = first.shape[1] ?? 0;
    const rows = sources.reduce((sum, source) => sum + (source.shape[0] ?? 0), 0);
    const words = Math.ceil((rows * cols * BYTES[format]) / 4);
    const tensor = this.#gpu.tensor(label, [words]);
    let offset = 0;
    for (const source of sources) offset = await this.#copy(source, 0, source.byteLength, tensor, offset);
    return { tensor, format, rows, cols, first: 0 };
  }

  /** Rows of a table, in buffers that a binding can hold. */
  async rowShards(name: string, rows: number, cols: number): Promise<RowShard[]> {
    const source = this.source(`${name}.weight`, [rows, cols]);
    const format = this.formatOf(source);
    const rowBytes = cols * BYTES[format];
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#gpu.capabilities.limits;
    // An even number of rows keeps every shard's bytes a multiple of 4 in 16-bit formats.
    const perShard = 2 * Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / rowBytes / 2);
    const shards: RowShard[] = [];
    for (let firstRow = 0; firstRow < rows; firstRow += perShard) {
      const count = Math.min(perShard, rows - firstRow);
      const label = `${name}.rows${firstRow}`;
      const tensor = this.#gpu.tensor(label, [Math.ceil((count * rowBytes) / 4)]);
      await this.#copy(source, firstRow * rowBytes, (firstRow + count) * rowBytes, tensor, 0);
      shards.push({ weight: { tensor, format, rows: count, cols, first: 0 }, firstRow });
    }
    return shards;
  }

  async #copy(
    source: TensorSource,
    from: number,
    to: number,
    tensor: Tensor,
    offset: number,
  ): Promise<number> {
    let at = offset;
    for (let start = from; start < to; start += SLICE) {
      const bytes = await source.bytes(start, Math.min(to, start + SLICE));
      this.#gpu.upload(tensor, padTo4(bytes), at);
      at += bytes.length;
      this.#onBytes(bytes.length);
    }
    return at;
  }

  async #quantized(source: TensorSource): Promise<Weight> {
    this.formatOf(source);
    const [rows = 0, cols = 0] = source.shape;
    if (this.#gpu.isDry && this.#format === "nf4") {
      const { words, ...places } = nf4Layout(rows * cols);
      const tensor = this.#gpu.tensor(source.name, [words]);
      return { tensor, format: "nf4", rows, cols, first: 0, nf4: { ...places, offset: 0 } };
    }
    const quantized = quantizeNf4(await source.floats());
    this.#onBytes(source.byteLength);
    if (this.#format === "nf4-roundtrip") {
      const tensor = this.#gpu.tensor(source.name, [rows * cols]);
      this.#gpu.upload(tensor, dequantizeNf4(quantized, rows * cols));
      return { tensor, format: "f32", rows, cols, first: 0 };
    }
    const tensor = this.#gpu.tensor(source.name, [quantized.words.length]);
    this.#gpu.upload(tensor, quantized.words);
    return { tensor, format: "nf4", rows, cols, first: 0, nf4: quantized.layout };
  }

  async group(label: string, projections: readonly Projection[], conv1d: boolean): Promise<GroupWeights> {
    const sources = projections.map(({ file, inputs, outputs: rows }) =>
      this.source(`${file}.weight`, conv1d ? [inputs, rows] : [rows, inputs]),
    );
    const biases: (Tensor | undefined)[] = [];
    for (const { file, bias, outputs: rows } of projections) {
      biases.push(bias ? await this.small(`${file}.bias`, rows) : undefined);
    }
    const shape = { inputs: projections[0]?.inputs ?? 0, outputs: outputs(projections) };
    if (this.#format === "stored" && this.#fits(sources) && biases.every((bias) => bias === undefined)) {
      const weight = await this.matrix(label, sources);
      return { ...shape, parts: [{ weight, column: 0, bias: undefined }] };
    }
    const parts: GroupPart[] = [];
    let column = 0;
    for (const [i, projection] of projections.entries()) {
      const source = sources[i] as TensorSource;
      const weight =
        this.#format === "stored" ? await this.matrix(source.name, [source]) : await this.#quantized(source);
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
    return same && whole && total <= this.#gpu.capabilities.limits.maxStorageBufferBindingSize;
  }
}

function padTo4(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}

/**
 * Loads a model whose weights stay frozen, tensor by tensor, with at most one slice (or, for nf4, one tensor) in the
 * host's memory. Throws `model-invalid`, `model-unsupported`, `file-invalid`, `gpu-out-of-memory`.
 */
export async function loadWeights(
  gpu: Gpu,
  model: ModelFolder,
  spec: ModelSpec,
  format: BaseFormat,
  onBytes: (bytes: number) => void = () => {},
): Promise<ModelWeights> {
  const loader = new Loader(gpu, model, format, onBytes);
  return gpu.guarded(`Loading ${model.name}`, async () => {
    const hasBias = spec.norm.kind === "layernorm";
    const embedding = await loader.rowShards(spec.embedding, spec.vocab, spec.hidden);
    const table = spec.positionTable;
    const layers: LayerWeights[] = [];
    for (const layer of spec.layers) layers.push(await loadLayer(loader, spec, layer, hasBias));
    return {
      embedding,
      positionTable: table
        ? await loader.matrix(table, [loader.source(`${table}.weight`, [spec.maxPositions, spec.hidden])])
        : undefined,
      layers,
      finalNorm: await loader.norm(spec.finalNorm, spec.hidden, hasBias),
      head:
        spec.head === spec.embedding ? embedding : await loader.rowShards(spec.head, spec.vocab, spec.hidden),
    };
  });
}

async function loadLayer(
  loader: Loader,
  spec: ModelSpec,
  layer: LayerSpec,
  hasBias: boolean,
): Promise<LayerWeights> {
  const { hidden, headDim } = spec;
  const norm = (name: string) => loader.norm(name, hidden, hasBias);
  const group = (name: GroupName) =>
    loader.group(`${layer.inputNorm}.${name}`, groupProjections(layer, name), spec.conv1d);
  return {
    inputNorm: await norm(layer.inputNorm),
    mlpNorm: await norm(layer.mlpNorm),
    postAttentionNorm: layer.postAttentionNorm ? await norm(layer.postAttentionNorm) : undefined,
    postMlpNorm: layer.postMlpNorm ? await norm(layer.postMlpNorm) : undefined,
    qNorm: layer.qNorm ? await loader.small(`${layer.qNorm}.weight`, headDim) : undefined,
    kNorm: layer.kNorm ? await loader.small(`${layer.kNorm}.weight`, headDim) : undefined,
    qkv: await group("qkv"),
    output: await group("output"),
    up: await group("up"),
    down: await group("down"),
  };
}
