import { largestTensor } from "../gpu/capabilities.ts";
import type { Gpu } from "../gpu/device.ts";
import { alignedBytes, numel, type Tensor, tensorAt } from "../gpu/tensor.ts";
import { invariant } from "../lib/errors.ts";

/** One named tensor of a file inside a pool entry: several that are used together lie side by side in one entry. */
export interface PoolName {
  /** Key in the file that is written: a PEFT key or a name of the model's own file. */
  readonly name: string;
  readonly shape: readonly number[];
  /** First element within the entry. */
  readonly first: number;
  /** Rows of the whole tensor in the file, where this is some of its rows: its name then ends in `[first row]`. */
  readonly tableRows?: number;
}

/** A trainable tensor before anything is allocated. */
export interface PoolEntry {
  readonly label: string;
  readonly shape: readonly number[];
  /** Whether weight decay applies; biases and norms are exempt. */
  readonly decay: boolean;
  readonly names: readonly PoolName[];
}

/** All trainable numbers of one buffer-sized part, so that norm, clipping and update are one dispatch each. */
export interface PoolShard {
  readonly params: Tensor;
  readonly grads: Tensor;
  /** Elements in use. */
  readonly count: number;
  /** Elements [0, decayEnd) are subject to weight decay. */
  readonly decayEnd: number;
  readonly entries: readonly PlacedEntry[];
}

export interface PlacedEntry extends PoolEntry {
  /** First element within the shard. */
  readonly offset: number;
}

export interface ShardPlan {
  readonly count: number;
  readonly decayEnd: number;
  readonly entries: readonly PlacedEntry[];
}

/** Places entries: those with weight decay first, each at a 256-byte boundary, no shard over `maxBytes`. Deterministic. */
export function planPool(entries: readonly PoolEntry[], maxBytes: number): readonly ShardPlan[] {
  const ordered = [...entries.filter((entry) => entry.decay), ...entries.filter((entry) => !entry.decay)];
  const shards: { count: number; decayEnd: number; entries: PlacedEntry[] }[] = [];
  for (const entry of ordered) {
    const size = alignedBytes(4 * numel(entry.shape)) / 4;
    let shard = shards.at(-1);
    if (!shard || 4 * (shard.count + size) > maxBytes) {
      shard = { count: 0, decayEnd: 0, entries: [] };
      shards.push(shard);
    }
    shard.entries.push({ ...entry, offset: shard.count });
    shard.count += size;
    if (entry.decay) shard.decayEnd = shard.count;
  }
  return shards;
}

/**
 * Every trainable tensor of a run with its gradient, in a few large buffers. Entries are addressed by their parameter
 * tensor: `gradOf` is how a backward pass learns whether a weight trains at all.
 */
export class ParamPool {
  readonly shards: readonly PoolShard[];
  readonly #params = new Map<string, Tensor>();
  readonly #grads = new Map<Tensor, Tensor>();

  constructor(gpu: Gpu, entries: readonly PoolEntry[]) {
    const plans = planPool(entries, largestTensor(gpu.capabilities));
    this.shards = plans.map((plan, i) => {
      const params = gpu.tensor(`params.${i}`, [plan.count]);
      const grads = gpu.tensor(`grads.${i}`, [plan.count]);
      for (const { label, shape, offset } of plan.entries) {
        const param = rangeOf(params, label, offset, shape);
        invariant(!this.#params.has(label), `two trainable tensors are called ${label}`);
        this.#params.set(label, param);
        this.#grads.set(param, rangeOf(grads, `d_${label}`, offset, shape));
      }
      return { ...plan, params, grads };
    });
  }

  /** The parameter tensor of an entry. */
  param(label: string): Tensor {
    const tensor = this.#params.get(label);
    invariant(tensor, `no trainable tensor ${label}`);
    return tensor;
  }

  /** The gradient of a parameter tensor, or undefined for anything that does not train. */
  gradOf(tensor: Tensor): Tensor | undefined {
    return this.#grads.get(tensor);
  }

  /** Number of trainable elements, without padding. */
  get size(): number {
    return this.shards.flatMap((shard) => shard.entries).reduce((sum, entry) => sum + numel(entry.shape), 0);
  }

  /** Reads parameters or gradients back by their names in the file, tables whole. For exports, checkpoints and tests. */
  async read(
    gpu: Gpu,
    what: "params" | "grads",
  ): Promise<Map<string, { shape: readonly number[]; data: Float32Array<ArrayBuffer> }>> {
    const result = new Map<string, { shape: readonly number[]; data: Float32Array<ArrayBuffer> }>();
    for (const shard of this.shards) {
      const values = await gpu.readFloats(shard[what]);
      for (const { offset, names } of shard.entries) {
        for (const { name, shape, first } of names) {
          const start = offset + first;
          const part = { shape, data: values.slice(start, start + numel(shape)) };
          const table = name.replace(/\[\d+\]$/, "");
          const before = result.get(table);
          result.set(table, before ? below(before, part) : part);
        }
      }
    }
    return result;
  }
}

interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** Rows of a table below those before them: shards follow one another in the order of their rows. */
function below(above: Values, part: Values): { shape: readonly number[]; data: Float32Array<ArrayBuffer> } {
  const [rows = 0, ...width] = above.shape;
  const data = new Float32Array(above.data.length + part.data.length);
  data.set(above.data);
  data.set(part.data, above.data.length);
  return { shape: [rows + (part.shape[0] ?? 0), ...width], data };
}

function rangeOf(shard: Tensor, label: string, offset: number, shape: readonly number[]): Tensor {
  invariant(shard.place, "shards have a place");
  return tensorAt(label, shape, { buffer: shard.place.buffer, offset: shard.place.offset + 4 * offset });
}
