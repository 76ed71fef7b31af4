import { readJsonObject } from "../../formats/json.ts";
import { requireFile } from "../../formats/model_folder.ts";
import { readSafetensors, type TensorSource } from "../../formats/safetensors.ts";
import type { Folder } from "../../host/host.ts";

/** One case of golden numbers: what goes in, and what must come out. */
export interface GoldenCase {
  readonly name: string;
  readonly kind: string;
  /** Folders relative to the root of the collection. */
  readonly model: string | undefined;
  readonly adapter: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
  /** Scalars, or one list of scalars a step. */
  readonly scalars: Readonly<Record<string, unknown>>;
  readonly inputs: ReadonlyMap<string, TensorSource>;
  readonly expected: ReadonlyMap<string, TensorSource>;
}

/** A folder of the collection, by its path below the root. */
export type Collection = (path: string) => Folder | Promise<Folder>;

export async function readCase(collection: Collection, name: string): Promise<GoldenCase> {
  const folder = await collection(`cases/${name}`);
  const json = await readJsonObject(await requireFile(folder, "case.json"));
  const tensors = async (file: string) => (await readSafetensors(await requireFile(folder, file))).tensors;
  const text = (key: string) => (typeof json[key] === "string" ? json[key] : undefined);
  return {
    name,
    kind: text("kind") ?? "none",
    model: text("model"),
    adapter: text("adapter"),
    params: (json["params"] ?? {}) as Record<string, unknown>,
    scalars: (json["expected"] ?? {}) as Record<string, unknown>,
    inputs: await tensors("inputs.safetensors"),
    expected: await tensors("expected.safetensors"),
  };
}

/** An integer tensor with its shape. */
export interface Integers {
  readonly shape: readonly number[];
  readonly data: Int32Array<ArrayBuffer>;
}

export async function integers(tensors: ReadonlyMap<string, TensorSource>, name: string): Promise<Integers> {
  const source = tensors.get(name);
  if (!source) throw new Error(`the case has no input ${name}`);
  if (source.dtype !== "I32") throw new Error(`${name} is ${source.dtype}, not I32`);
  const bytes = await source.bytes();
  return { shape: source.shape, data: new Int32Array(bytes.slice().buffer) };
}

/** One row of a padded batch without its padding. Masks alone say what is real: id 0 is an ordinary token. */
export interface UnpaddedRow {
  readonly ids: Int32Array;
  /** Columns of the padded batch that the tokens came from. */
  readonly columns: Int32Array;
  /** The labels of these tokens, where the case has any; -100 is not learned. */
  readonly labels: Int32Array | undefined;
  /** Columns of the padded batch: the length by which transformers chooses rotary tables that depend on one. */
  readonly span: number;
}

/** Rows of a batch (B, T) starting at element `from` of the tensors. */
export function unpad(ids: Integers, mask: Integers, labels?: Integers, from = 0): UnpaddedRow[] {
  const [B = 0, T = 0] = ids.shape.slice(-2);
  return Array.from({ length: B }, (_, b) => {
    const start = from + b * T;
    const columns = Int32Array.from(
      Array.from({ length: T }, (_, t) => t).filter((t) => mask.data[start + t] === 1),
    );
    const pick = (tensor: Integers) => columns.map((t) => tensor.data[start + t] ?? 0);
    return { ids: pick(ids), columns, labels: labels && pick(labels), span: T };
  });
}
