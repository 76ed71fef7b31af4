import type { CheckpointRecord, CheckpointStore } from "../host/host.ts";
import { AppError, invariant } from "../lib/errors.ts";
import { MAX_RECORD_BYTES } from "./record_manifest.ts";

/** Goes up when an older reader could not continue a run from what is written. */
export const CHECKPOINT_FORMAT = 1;
const MANIFEST = "manifest.json";

/**
 * Everything but tensors that a run needs to go on to the same bits. All of it survives JSON: numbers are finite.
 * The parts belong to the trainer; here they are only kept.
 */
export interface CheckpointState {
  /** Optimizer steps done. */
  readonly step: number;
  /** training_config.yaml of the run, resolved. */
  readonly config: string;
  /** Seeds and counters of every random stream. */
  readonly random: unknown;
  /** Epoch, place in the shuffled data, accepted but unused rollouts. */
  readonly data: unknown;
  readonly scheduler: unknown;
  /** How many rows of metrics belong to the steps done: what comes after them is dropped on resume. */
  readonly metrics: unknown;
  /** The kernel variants of the run. Resume uses them and measures nothing. */
  readonly kernels: unknown;
}

/** A tensor on its way into a checkpoint. `bytes` is called once, when its turn comes, so that one is held at a time. */
export interface CheckpointTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  bytes(): Promise<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>;
}

export interface CheckpointContent {
  readonly state: CheckpointState;
  /** Parameters, moments, reference weights: what changes or cannot be had again. */
  readonly tensors: Iterable<CheckpointTensor> | AsyncIterable<CheckpointTensor>;
  /** Whole files that stand beside it for other tools, such as the PEFT files and trainer_state.json. */
  readonly files?: readonly CheckpointRecord[];
}

/** Bytes [start, end) of one record. */
interface Part {
  readonly record: string;
  readonly start: number;
  readonly end: number;
}

interface TensorEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly parts: readonly Part[];
}

interface Manifest {
  readonly format: number;
  readonly state: CheckpointState;
  readonly tensors: Readonly<Record<string, TensorEntry>>;
  readonly files: readonly string[];
}

/**
 * Writes a checkpoint: tensors one after the other in records of at most `recordBytes`, then files, then the manifest.
 * The store makes it visible as a whole. Throws `storage-full`; earlier checkpoints are then untouched.
 */
export async function saveCheckpoint(
  store: CheckpointStore,
  run: string,
  content: CheckpointContent,
  recordBytes = MAX_RECORD_BYTES,
): Promise<void> {
  await store.save(run, content.state.step, records(content, recordBytes));
}

async function* records(content: CheckpointContent, recordBytes: number): AsyncGenerator<CheckpointRecord> {
  const entries = new Map<string, TensorEntry>();
  const packer = new Packer(recordBytes);
  for await (const tensor of content.tensors) {
    invariant(!entries.has(tensor.name), `tensor ${tensor.name} is saved once`);
    const parts: Part[] = [];
    for (const record of packer.add(await tensor.bytes(), parts)) yield record;
    entries.set(tensor.name, { dtype: tensor.dtype, shape: tensor.shape, parts });
  }
  yield* packer.rest();
  const files = content.files ?? [];
  yield* files;
  const manifest: Manifest = {
    format: CHECKPOINT_FORMAT,
    state: content.state,
    tensors: Object.fromEntries(entries),
    files: files.map(({ name }) => name),
  };
  yield { name: MANIFEST, bytes: new TextEncoder().encode(JSON.stringify(manifest, finite)) };
}

/** JSON would turn a number that is not finite into null, and the resumed run would not be the same. */
function finite(key: string, value: unknown): unknown {
  invariant(typeof value !== "number" || Number.isFinite(value), `${key} of the state is finite`);
  return value;
}

/** Lays tensors end to end into records of one size, so that a thousand small matrices are a few large writes. */
class Packer {
  readonly #limit: number;
  #buffer: Uint8Array<ArrayBuffer>;
  #used = 0;
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#buffer = new Uint8Array(Math.min(limit, 1 << 16));
  }

  /** Takes the bytes, notes where they go, and gives the records that are full. */
  *add(bytes: Uint8Array<ArrayBuffer>, parts: Part[]): Generator<CheckpointRecord> {
    let at = 0;
    while (at < bytes.length) {
      const length = Math.min(bytes.length - at, this.#limit - this.#used);
      this.#reserve(this.#used + length);
      this.#buffer.set(bytes.subarray(at, at + length), this.#used);
      parts.push({ record: this.#name(), start: this.#used, end: this.#used + length });
      this.#used += length;
      at += length;
      if (this.#used === this.#limit) yield* this.rest();
    }
  }

  /** The record that is not full yet, if there is one. */
  *rest(): Generator<CheckpointRecord> {
    if (this.#used === 0) return;
    // A copy: whoever takes the record may keep it while the buffer is used again.
    yield { name: this.#name(), bytes: this.#buffer.slice(0, this.#used) };
    this.#count += 1;
    this.#used = 0;
  }

  #name(): string {
    return `tensors-${String(this.#count).padStart(5, "0")}.bin`;
  }

  #reserve(size: number): void {
    if (size <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.min(this.#limit, Math.max(size, 2 * this.#buffer.length)));
    larger.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = larger;
  }
}

/** A checkpoint that is open for reading. */
export interface OpenCheckpoint {
  readonly state: CheckpointState;
  readonly tensorNames: readonly string[];
  readonly fileNames: readonly string[];
  /** Throws `checkpoint-invalid` when it has no such tensor, or when dtype or shape are not the wanted ones. */
  tensor(
    name: string,
    wanted?: { dtype: string; shape: readonly number[] },
  ): Promise<Uint8Array<ArrayBuffer>>;
  file(name: string): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Opens a complete checkpoint. Records are read when asked, in the order of saving with one record held at a time.
 * Throws `checkpoint-invalid` when it is absent, damaged or of a newer version.
 */
export async function openCheckpoint(
  store: CheckpointStore,
  run: string,
  step: number,
): Promise<OpenCheckpoint> {
  const where = `Checkpoint ${step} of ${run}`;
  const load = async (record: string) => {
    const bytes = await store.load(run, step, record);
    return bytes ?? refuse(where, `it has no record ${record}.`);
  };
  const manifest = parseManifest(where, await load(MANIFEST));
  let held: { readonly record: string; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;
  const read = async ({ record, start, end }: Part) => {
    if (held?.record !== record) held = { record, bytes: await load(record) };
    return held.bytes.subarray(start, end);
  };
  return {
    state: manifest.state,
    tensorNames: Object.keys(manifest.tensors),
    fileNames: manifest.files,
    tensor: async (name, wanted) => {
      const entry = Object.hasOwn(manifest.tensors, name) ? manifest.tensors[name] : undefined;
      if (entry === undefined) return refuse(where, `it has no tensor ${name}.`);
      if (wanted) checkEntry(where, name, entry, wanted);
      const bytes = new Uint8Array(entry.parts.reduce((sum, part) => sum + part.end - part.start, 0));
      let at = 0;
      for (const part of entry.parts) {
        bytes.set(await read(part), at);
        at += part.end - part.start;
      }
      return bytes;
    },
    file: load,
  };
}

/**
 * Every record of a checkpoint as it was written, the manifest last: for a download, or to bring it into another store
 * with `store.save`. Throws `checkpoint-invalid`.
 */
export async function* checkpointRecords(
  store: CheckpointStore,
  run: string,
  step: number,
): AsyncGenerator<CheckpointRecord> {
  const where = `Checkpoint ${step} of ${run}`;
  const last = await store.load(run, step, MANIFEST);
  if (last === undefined) return refuse(where, `it has no record ${MANIFEST}.`);
  const { tensors, files } = parseManifest(where, last);
  const parts = Object.values(tensors).flatMap((entry) => entry.parts.map(({ record }) => record));
  for (const name of new Set([...parts, ...files])) {
    yield { name, bytes: (await store.load(run, step, name)) ?? refuse(where, `it has no record ${name}.`) };
  }
  yield { name: MANIFEST, bytes: last };
}

function checkEntry(
  where: string,
  name: string,
  entry: TensorEntry,
  wanted: { dtype: string; shape: readonly number[] },
) {
  if (entry.dtype === wanted.dtype && entry.shape.join() === wanted.shape.join()) return;
  const [has, wants] = [entry, wanted].map(({ dtype, shape }) => `${dtype} [${shape.join(", ")}]`);
  refuse(where, `${name} is ${has}; this run needs ${wants}. Was the configuration changed?`);
}

function parseManifest(where: string, bytes: Uint8Array<ArrayBuffer>): Manifest {
  // The store has verified the hash: these are the bytes that we wrote, so only the version is in question.
  const manifest: Manifest = JSON.parse(new TextDecoder().decode(bytes));
  if (manifest.format === CHECKPOINT_FORMAT) return manifest;
  return refuse(
    where,
    `it has format ${manifest.format}; this version reads ${CHECKPOINT_FORMAT}. Update the app.`,
  );
}

function refuse(where: string, why: string): never {
  throw new AppError("checkpoint-invalid", `${where}: ${why}`, { details: { checkpoint: where } });
}

/**
 * The steps to delete so that the newest `limit` remain, besides those to keep whatever their age (the best one, pinned
 * ones). No limit, no deletion; the newest is never deleted.
 */
export function stepsToPrune(
  steps: readonly number[],
  limit: number | null | undefined,
  keep: Iterable<number> = [],
): readonly number[] {
  if (limit === null || limit === undefined) return [];
  const kept = new Set(keep);
  const newestFirst = [...steps].sort((a, b) => b - a);
  return newestFirst.slice(Math.max(1, limit)).filter((step) => !kept.has(step));
}

/** Applies `save_total_limit` after a save. Oldest go first, so that an interruption leaves the newer ones. */
export async function pruneCheckpoints(
  store: CheckpointStore,
  run: string,
  limit: number | null | undefined,
  keep: Iterable<number> = [],
): Promise<readonly number[]> {
  const steps = [...stepsToPrune(await store.steps(run), limit, keep)].reverse();
  for (const step of steps) await store.remove(run, step);
  return steps;
}
