import type { Asset } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { DTYPE_BYTES, DTYPE_ORDER, type Dtype, decodeFloats, isDtype } from "./dtype.ts";
import { duplicateKey, isRecord } from "./json.ts";

/** The reference reader's own bound on the header; a larger one is a damaged or hostile file. */
const MAX_HEADER_BYTES = 100_000_000;

/** What is known of a tensor without reading it. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** One tensor of a file, read when asked. */
export interface TensorSource extends TensorInfo {
  /** The file it lies in, for messages. */
  readonly file: string;
  /** Bytes of the whole tensor. */
  readonly byteLength: number;
  /** Where its bytes begin, if they lie in one piece in a file: tensors side by side can be read together. */
  readonly place?: { readonly asset: Asset; readonly start: number };
  /** Little-endian bytes [start, end) of the tensor, all of it by default. Throws `file-invalid`. */
  bytes(start?: number, end?: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Elements [start, end) as float32, all by default. Throws `file-invalid` for types that are not floats. */
  floats(start?: number, end?: number): Promise<Float32Array<ArrayBuffer>>;
}

export interface SafetensorsFile {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the header. */
  readonly tensors: ReadonlyMap<string, TensorSource>;
}

/**
 * Reads the header of a safetensors file and checks it against the file; tensors are read later, by range.
 * Throws `file-invalid` naming the file, the tensor, the rule and the numbers: a cut file, a header that is too long, no
 * JSON, keys given twice, unknown types, shapes that do not fit their range, ranges that overlap, leave the file or
 * leave bytes that belong to no tensor. Format: https://huggingface.co/docs/safetensors (its rules, all of them).
 */
export async function readSafetensors(asset: Asset): Promise<SafetensorsFile> {
  const header = await readHeader(asset);
  const dataStart = header.end;
  const dataSize = asset.size - dataStart;
  let metadata: Readonly<Record<string, string>> = {};
  const ranges: (TensorInfo & { start: number; end: number })[] = [];
  for (const [name, value] of Object.entries(header.json)) {
    if (name === "__metadata__") metadata = readMetadata(asset, value);
    else ranges.push(readEntry(asset, name, value, dataSize));
  }
  checkTiling(asset, ranges, dataSize);
  const tensors = new Map<string, TensorSource>();
  for (const { name, dtype, shape, start, end } of ranges) {
    tensors.set(name, tensorSource(asset, { name, dtype, shape }, dataStart + start, dataStart + end));
  }
  return { name: asset.name, metadata, tensors };
}

function tensorSource(asset: Asset, info: TensorInfo, from: number, to: number): TensorSource {
  const size = DTYPE_BYTES[info.dtype];
  const byteLength = to - from;
  const bytes = async (start = 0, end = byteLength): Promise<Uint8Array<ArrayBuffer>> => {
    if (!(start >= 0 && start <= end && end <= byteLength)) {
      refuse(asset, `${info.name} has ${byteLength} bytes; ${start} to ${end} were asked for.`, {
        tensor: info.name,
      });
    }
    return asset.read(from + start, from + end);
  };
  return {
    ...info,
    file: asset.name,
    byteLength,
    place: { asset, start: from },
    bytes,
    floats: async (start = 0, end = byteLength / size) =>
      decodeFloats(await bytes(start * size, end * size), info.dtype, `${asset.name}: ${info.name}`),
  };
}

async function readHeader(asset: Asset): Promise<{ json: Record<string, unknown>; end: number }> {
  if (asset.size < 8)
    refuse(asset, `it has ${asset.size} bytes; a safetensors file starts with 8 that give a length.`);
  const start = await asset.read(0, 8);
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    refuse(
      asset,
      `its header says it is ${length} bytes long; at most ${MAX_HEADER_BYTES} are allowed. Is it a safetensors file?`,
    );
  }
  const end = 8 + Number(length);
  if (end > asset.size)
    refuse(asset, `its header needs ${end} bytes; the file has ${asset.size}. It was cut short.`);
  const bytes = await asset.read(8, end);
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (cause) {
    return refuse(asset, `its header is no valid JSON (${String(cause)}).`, {}, cause);
  }
  if (!text.startsWith("{") || !isRecord(json)) return refuse(asset, "its header is no JSON object.");
  const twice = duplicateKey(text);
  if (twice !== undefined) refuse(asset, `its header gives "${twice}" twice.`, { tensor: twice });
  return { json, end };
}

function readMetadata(asset: Asset, value: unknown): Readonly<Record<string, string>> {
  const metadata: Record<string, string> = {};
  if (!isRecord(value)) return refuse(asset, "its __metadata__ is no object.");
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry !== "string") return refuse(asset, `its __metadata__ "${key}" is no text.`);
    metadata[key] = entry;
  }
  return metadata;
}

/** A value of the header for a message. */
const shown = (value: unknown): string => JSON.stringify(value) ?? "(none)";

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function readEntry(asset: Asset, name: string, value: unknown, dataSize: number) {
  const bad = (rule: string) => refuse(asset, `${name}: ${rule}`, { tensor: name });
  if (!isRecord(value)) return bad("its entry in the header is no object.");
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) return bad(`type ${shown(dtype)} is not known.`);
  if (!Array.isArray(shape) || !shape.every(isCount))
    return bad(
      shape === undefined ? "it has no shape." : `shape ${JSON.stringify(shape)} is no list of sizes.`,
    );
  if (!Array.isArray(offsets) || offsets.length !== 2)
    return bad(`data_offsets ${shown(offsets)} is no pair.`);
  const [start, end]: unknown[] = offsets;
  if (!isCount(start) || !isCount(end) || start > end)
    return bad(`data_offsets ${JSON.stringify(offsets)} is no range.`);
  if (end > dataSize) return bad(`it ends at byte ${end} of ${dataSize}. The file was cut short.`);
  const size = shape.reduce((product: number, n: number) => product * n, DTYPE_BYTES[dtype]);
  if (size !== end - start) {
    return bad(
      `shape [${shape.join(", ")}] of ${dtype} takes ${size} bytes; data_offsets give ${end - start}.`,
    );
  }
  return { name, dtype, shape: Object.freeze([...shape]), start, end };
}

/** Sorted by place, each tensor must start where the one before ended, and the last must end the file. */
function checkTiling(
  asset: Asset,
  ranges: readonly { name: string; start: number; end: number }[],
  dataSize: number,
) {
  let at = 0;
  let before = "the header";
  for (const { name, start, end } of [...ranges].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (start < at)
      refuse(asset, `${name} starts at byte ${start}, inside ${before}, which ends at ${at}.`, {
        tensor: name,
      });
    if (start > at)
      refuse(asset, `${start - at} bytes between ${before} and ${name} belong to no tensor.`, {
        tensor: name,
      });
    at = end;
    before = name;
  }
  if (at !== dataSize) refuse(asset, `${dataSize - at} bytes after ${before} belong to no tensor.`);
}

function refuse(asset: Asset, rule: string, details: Record<string, unknown> = {}, cause?: unknown): never {
  throw new AppError("file-invalid", `${asset.name}: ${rule}`, {
    details: { file: asset.name, ...details },
    cause,
  });
}

/** Where each tensor goes in a file that is yet to be written. */
export interface SafetensorsPlan {
  /** Length, JSON and padding: the first bytes of the file. */
  readonly header: Uint8Array<ArrayBuffer>;
  /** The tensors in the order in which their bytes follow. */
  readonly order: readonly TensorInfo[];
  /** Bytes of the whole file. */
  readonly size: number;
}

/**
 * Plans a file so that it can be written piece by piece: the same header and order as the reference writer
 * (larger types first, then by name; JSON without spaces; padded with spaces to 8 bytes).
 */
export function planSafetensors(
  tensors: readonly TensorInfo[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): SafetensorsPlan {
  const order = [...tensors].sort(
    (a, b) =>
      (DTYPE_ORDER.get(b.dtype) ?? 0) - (DTYPE_ORDER.get(a.dtype) ?? 0) ||
      (a.name < b.name ? -1 : Number(a.name > b.name)),
  );
  const entries: [string, unknown][] = [["__metadata__", metadata]];
  let at = 0;
  for (const { name, dtype, shape } of order) {
    const end = at + shape.reduce((product, n) => product * n, DTYPE_BYTES[dtype]);
    entries.push([name, { dtype, shape, data_offsets: [at, end] }]);
    at = end;
  }
  // Not Object.fromEntries: names that look like integers would be moved to the front.
  const json = entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",");
  const text = new TextEncoder().encode(`{${json}}`);
  const header = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(text, 8);
  return { header, order, size: header.length + at };
}

/**
 * A whole file in memory; for adapters. The same tensors give the same bytes, and those are the bytes of PEFT.
 * Throws `shape-mismatch` when a tensor's bytes do not fit its shape, and on a name given twice.
 */
export function writeSafetensors(
  tensors: readonly (TensorInfo & { readonly data: Uint8Array })[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): Uint8Array<ArrayBuffer> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor.data]));
  if (byName.size !== tensors.length) throw new AppError("shape-mismatch", "A tensor name was given twice.");
  const plan = planSafetensors(tensors, metadata);
  const file = new Uint8Array(plan.size);
  file.set(plan.header);
  let at = plan.header.length;
  for (const { name, dtype, shape } of plan.order) {
    const data = byName.get(name) ?? new Uint8Array();
    const size = shape.reduce((product, n) => product * n, DTYPE_BYTES[dtype]);
    if (data.length !== size) {
      throw new AppError(
        "shape-mismatch",
        `${name}: ${data.length} bytes for [${shape.join(", ")}] ${dtype}.`,
      );
    }
    file.set(data, at);
    at += size;
  }
  return file;
}
