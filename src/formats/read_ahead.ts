import { AppError } from "../lib/errors.ts";
import { DTYPE_BYTES, decodeFloats } from "./dtype.ts";
import type { TensorSource } from "./safetensors.ts";

/** Bytes [start, end) of a tensor that are wanted, and what is done with them once they are there. */
export interface TensorRead {
  readonly source: TensorSource;
  readonly start: number;
  readonly end: number;
  take(bytes: Uint8Array<ArrayBuffer>): void | Promise<void>;
}

export interface ReadLimits {
  /** Bytes of one request at most. */
  readonly slice: number;
  /** Requests that are under way or whose bytes are waiting to be taken. */
  readonly requests: number;
}

/** 32 MiB of a file in memory at most, and as much again where 16 bits become 32. */
export const READ_LIMITS: ReadLimits = { slice: 8 * 2 ** 20, requests: 4 };

/** Cuts bytes [start, end) of a tensor into reads of a slice; `at` is where the bytes begin, counted from `start`. */
export function slicedReads(
  source: TensorSource,
  [start, end]: readonly [start: number, end: number],
  take: (bytes: Uint8Array<ArrayBuffer>, at: number) => void | Promise<void>,
  { slice }: Pick<ReadLimits, "slice"> = READ_LIMITS,
): TensorRead[] {
  const reads: TensorRead[] = [];
  for (let from = start; from < end; from += slice) {
    const to = Math.min(end, from + slice);
    reads.push({ source, start: from, end: to, take: (bytes) => take(bytes, from - start) });
  }
  return reads;
}

/** The same for elements [start, end), which `take` gets as float32. Throws `file-invalid` on types that are not floats. */
export function floatReads(
  source: TensorSource,
  [start, end]: readonly [start: number, end: number],
  take: (values: Float32Array<ArrayBuffer>, at: number) => void | Promise<void>,
  limits: Pick<ReadLimits, "slice"> = READ_LIMITS,
): TensorRead[] {
  const size = DTYPE_BYTES[source.dtype];
  const name = `${source.file}: ${source.name}`;
  return slicedReads(
    source,
    [start * size, end * size],
    (bytes, at) => take(decodeFloats(bytes, source.dtype, name), at / size),
    limits,
  );
}

/** Reads that lie side by side in one file, made as one request. */
interface Request {
  readonly reads: readonly TensorRead[];
  readonly bytes: number;
}

/**
 * Makes the reads in the order of each file, those that lie side by side together, a few requests at a time, and gives the
 * bytes on one after the other in that order. The files come in the order in which they are first wanted. The first failure
 * ends it, whether of a request or of a `take`.
 */
export async function readAhead(
  reads: readonly TensorRead[],
  onBytes: (bytes: number) => void = () => {},
  limits: ReadLimits = READ_LIMITS,
): Promise<void> {
  const waiting: { request: Request; bytes: Promise<Uint8Array<ArrayBuffer>> }[] = [];
  const takeNext = async () => {
    const next = waiting[0];
    if (!next) return;
    const bytes = await next.bytes;
    let at = 0;
    for (const { start, end, take } of next.request.reads) {
      await take(bytes.subarray(at, at + end - start));
      at += end - start;
    }
    onBytes(next.request.bytes);
    waiting.shift();
  };
  for (const request of requestsFor(reads, limits)) {
    if (waiting.length === limits.requests) await takeNext();
    const bytes = fetchRequest(request);
    // Whoever takes it sees the failure; until then it is not unhandled.
    bytes.catch(() => {});
    waiting.push({ request, bytes });
  }
  while (waiting.length > 0) await takeNext();
}

function requestsFor(reads: readonly TensorRead[], { slice }: ReadLimits): Request[] {
  const files = new Map<unknown, number>();
  for (const { source } of reads) {
    const file = source.place?.asset ?? source;
    if (!files.has(file)) files.set(file, files.size);
  }
  const ordered = reads
    .map((read) => ({
      read,
      file: files.get(read.source.place?.asset ?? read.source) ?? 0,
      from: (read.source.place?.start ?? 0) + read.start,
    }))
    .sort((a, b) => a.file - b.file || a.from - b.from);
  const requests: { reads: TensorRead[]; bytes: number; file: number; end: number }[] = [];
  for (const { read, file, from } of ordered) {
    const bytes = read.end - read.start;
    const last = requests.at(-1);
    if (last && last.file === file && last.end === from && last.bytes + bytes <= slice) {
      last.reads.push(read);
      last.bytes += bytes;
      last.end += bytes;
    } else requests.push({ reads: [read], bytes, file, end: from + bytes });
  }
  return requests;
}

async function fetchRequest({ reads, bytes: wanted }: Request): Promise<Uint8Array<ArrayBuffer>> {
  const [first] = reads;
  if (!first) return new Uint8Array();
  const { source, start } = first;
  const { place } = source;
  const isJoined = reads.some((read) => read.source !== source);
  const bytes =
    isJoined && place
      ? await place.asset.read(place.start + start, place.start + start + wanted)
      : await source.bytes(start, start + wanted);
  if (bytes.length === wanted) return bytes;
  throw new AppError(
    "file-invalid",
    `${source.file}: ${bytes.length} bytes came in place of the ${wanted} of ${source.name}.`,
    { details: { file: source.file, tensor: source.name } },
  );
}
