import type { Gpu } from "../gpu/device.ts";
import type { StepValues } from "../gpu/step.ts";
import { alignedBytes, type Tensor, tensorAt } from "../gpu/tensor.ts";
import { attentionTiles } from "../kernels/attention/tiles.ts";
import { embeddingTables } from "../kernels/embedding/tables.ts";
import { invariant } from "../lib/errors.ts";
import { hash } from "../lib/random.ts";

/** One sequence of a micro-batch. */
export interface BatchRow {
  readonly ids: ArrayLike<number>;
  /** Which row of the run this is: seeds dropout and noise, so that they do not depend on the place in the batch. */
  readonly key: number;
  /**
   * Positions t (at least 1) whose token the loss reads, predicted from t - 1, ascending. The row's length is one too, for
   * what only reads the hidden state of the last token: no token is predicted there, and its target is 0.
   */
  readonly targets: ArrayLike<number>;
  /** The weight of each target in the loss: its mask over the normaliser. */
  readonly weights: ArrayLike<number>;
  /**
   * Tokens of the sequence that the row is the beginning of: its own where absent. Says which rotary table it reads where
   * that depends on the length.
   */
  readonly span?: number;
  /** Further values of each target, for the columns that the tables were made with; 0 where a column is left out. */
  readonly columns?: Readonly<Record<string, ArrayLike<number>>>;
  /** Two numbers of the row as a whole, whose meaning is the loss kernel's: an advantage, the weight of a pair. */
  readonly info?: readonly [number, number];
}

export interface Capacity {
  /** Tokens on the packed axis. */
  readonly N: number;
  /** Tokens that a loss reads. */
  readonly M: number;
  /** Rows. */
  readonly R: number;
}

const NAMES = [
  "ids",
  "positions",
  "keys",
  "tiles",
  "lossIndex",
  "inverse",
  "targets",
  "weights",
  "unique",
  "starts",
  "order",
  "uniquePositions",
  "positionStarts",
  "positionOrder",
  "rowOf",
  "rows",
] as const;
export type TableName = (typeof NAMES)[number];

export interface BatchTablesOptions {
  readonly tile: number;
  readonly long: number;
  readonly withGradient?: boolean;
  readonly columns?: readonly string[];
}

/** Row of the rotary tables in which a sequence of `tokens` begins. */
export function firstPosition(tokens: number, long: number): number {
  return tokens > long ? long : 0;
}

/** The tensor has no entry: what `inverse` holds for tokens that no loss reads. */
const NONE = 0xffffffff;

/**
 * Everything that the host tells the GPU about a micro-batch, in one buffer that is written once a micro-batch:
 * token ids, positions, noise keys, attention tiles, loss tokens, and the sorted ids for the embedding's gradient.
 */
export class BatchTables {
  readonly capacity: Capacity;
  readonly tensors: Readonly<Record<TableName, Tensor>>;
  /** (M) f32 each: values of the loss tokens that a loss asks for by name, from the host or from another program. */
  readonly columns: Readonly<Record<string, Tensor>>;
  readonly #gpu: Gpu;
  readonly #all: Tensor;
  readonly #host: Uint32Array<ArrayBuffer>;
  readonly #views: Readonly<Record<TableName, Uint32Array<ArrayBuffer>>>;
  readonly #columnViews: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  readonly #tile: number;
  readonly #withGradient: boolean;
  readonly #longFrom: number;

  /**
   * `tile` is the profile's attentionTile, `long` the model's longFrom; the embedding's tables are only filled when
   * `withGradient` is set.
   */
  constructor(
    gpu: Gpu,
    capacity: Capacity,
    { tile, long, withGradient = false, columns = [] }: BatchTablesOptions,
  ) {
    const { N, M, R } = capacity;
    const tiles = Math.ceil(N / tile) + R;
    const length: Readonly<Record<TableName, number>> = {
      ids: N,
      positions: N,
      keys: N,
      tiles: 4 * tiles,
      lossIndex: M,
      inverse: N,
      targets: M,
      weights: M,
      unique: N,
      starts: N + 1,
      order: N,
      uniquePositions: N,
      positionStarts: N + 1,
      positionOrder: N,
      rowOf: M,
      rows: 4 * R,
    };
    this.capacity = capacity;
    this.#gpu = gpu;
    this.#tile = tile;
    this.#withGradient = withGradient;
    this.#longFrom = long;
    const columnBytes = alignedBytes(4 * M);
    const total =
      NAMES.reduce((sum, name) => sum + alignedBytes(4 * length[name]), 0) + columns.length * columnBytes;
    this.#all = gpu.tensor("batch", [total / 4]);
    this.#host = new Uint32Array(total / 4);
    const { buffer } = this.#all.place as { buffer: GPUBuffer };
    let offset = 0;
    const tensors: Partial<Record<TableName, Tensor>> = {};
    const views: Partial<Record<TableName, Uint32Array<ArrayBuffer>>> = {};
    for (const name of NAMES) {
      const shape = { tiles: [tiles, 4], rows: [R, 4] }[name as string] ?? [length[name]];
      tensors[name] = tensorAt(name, shape, { buffer, offset });
      views[name] = this.#host.subarray(offset / 4, offset / 4 + length[name]);
      offset += alignedBytes(4 * length[name]);
    }
    const columnTensors: Record<string, Tensor> = {};
    const columnViews: Record<string, Float32Array<ArrayBuffer>> = {};
    for (const name of columns) {
      columnTensors[name] = tensorAt(name, [M], { buffer, offset });
      columnViews[name] = new Float32Array(this.#host.buffer, offset, M);
      offset += columnBytes;
    }
    this.tensors = tensors as Record<TableName, Tensor>;
    this.columns = columnTensors;
    this.#views = views as Record<TableName, Uint32Array<ArrayBuffer>>;
    this.#columnViews = columnViews;
  }

  /** Uploads a micro-batch and returns the counts that `Step` needs. Rows must fit the capacity. */
  fill(rows: readonly BatchRow[]): Pick<StepValues, "N" | "M" | "R" | "T" | "U" | "spare"> {
    const view = this.#views;
    const weights = new Float32Array(view.weights.buffer, view.weights.byteOffset, view.weights.length);
    const info = new Float32Array(view.rows.buffer, view.rows.byteOffset, view.rows.length);
    let n = 0;
    let m = 0;
    invariant(
      rows.length <= this.capacity.R,
      `${rows.length} rows in a batch planned for ${this.capacity.R}`,
    );
    rows.forEach((row, r) => {
      const start = n;
      const firstTarget = m;
      const length = row.ids.length;
      invariant(
        start + length <= this.capacity.N,
        `${start + length} tokens in a batch planned for ${this.capacity.N}`,
      );
      const first = firstPosition(row.span ?? length, this.#longFrom);
      for (let t = 0; t < length; t++, n++) {
        view.ids[n] = row.ids[t] as number;
        view.positions[n] = first + t;
        view.keys[n] = hash(row.key, t);
        view.inverse[n] = NONE;
      }
      for (let i = 0; i < row.targets.length; i++, m++) {
        const t = row.targets[i] as number;
        invariant(t >= 1 && t <= length && m < this.capacity.M, `target ${t} of a row of ${length} tokens`);
        view.lossIndex[m] = start + t - 1;
        view.inverse[start + t - 1] = m;
        view.targets[m] = row.ids[t] as number; // 0 where there is none
        weights[m] = row.weights[i] as number;
        view.rowOf[m] = r;
      }
      for (const [name, column] of Object.entries(this.#columnViews)) {
        const values = row.columns?.[name];
        invariant(!values || values.length === row.targets.length, `${name}: one value for each target`);
        for (let i = 0; i < row.targets.length; i++) column[firstTarget + i] = values?.[i] ?? 0;
      }
      view.rows[4 * r] = firstTarget;
      view.rows[4 * r + 1] = row.targets.length;
      info[4 * r + 2] = row.info?.[0] ?? 0;
      info[4 * r + 3] = row.info?.[1] ?? 0;
    });
    const tiles = attentionTiles(
      rows.map((row) => row.ids.length),
      this.#tile,
    );
    view.tiles.set(tiles);
    const counts = this.#withGradient ? this.#fillGradientTables(n) : { U: 0, spare: 0 };
    this.#gpu.upload(this.#all, this.#host);
    return { N: n, M: m, R: rows.length, T: tiles.length / 4, ...counts };
  }

  /** `U` counts distinct ids, `spare` distinct positions (for a learned position table). */
  #fillGradientTables(n: number): { U: number; spare: number } {
    const view = this.#views;
    const ids = embeddingTables(view.ids.subarray(0, n));
    view.unique.set(ids.unique);
    view.starts.set(ids.starts);
    view.order.set(ids.order);
    const positions = embeddingTables(view.positions.subarray(0, n));
    view.uniquePositions.set(positions.unique);
    view.positionStarts.set(positions.starts);
    view.positionOrder.set(positions.order);
    return { U: ids.unique.length, spare: positions.unique.length };
  }
}
