import { AppError, refuseIfCancelled } from "../lib/errors.ts";
import { missingOf, type Span, sizeOf } from "../lib/spans.ts";
import type { Asset } from "./host.ts";
import type { FileHash, KeptFile } from "./hub_store.ts";
import { checkRange } from "./memory.ts";
import type { Piece } from "./range_stream.ts";

/** Most reads of the beginning of a file are of its header; this much comes with it. */
const HEADER = 1024 * 1024;
/** What one request asks for, how many are under way at once, and after how many bytes they are counted as kept. */
const PIECE = 16 * 1024 * 1024;
const AT_ONCE = 3;
const FLUSH = 4 * 1024 * 1024;

export interface KeptSource {
  /** What messages call the file: model.safetensors of Qwen/Qwen3-0.6B. */
  readonly what: string;
  readonly host: string;
  readonly name: string;
  readonly hash: FileHash | null;
  /** Files of up to this many bytes are fetched as a whole at the first read beyond their header. */
  readonly wholeUpTo: number;
  stream(span: Span, signal: AbortSignal | undefined): AsyncIterable<Piece>;
  /** Reads without keeping, for when there is no room. */
  readThrough(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Bytes that are here, while the file is fetched as a whole. */
  onProgress(done: number): void;
  /** What a person should know, once. */
  onNote(text: string): void;
}

/**
 * A file of which is read what is here, and fetched and kept what is not. When it is all here its hash is checked, before
 * the read that completed it gives anything: what is another content is deleted, and that read throws `file-invalid`.
 */
export function keptAsset(kept: KeptFile, source: KeptSource): Asset {
  const { size } = kept;
  /** There is no room for more: what is not here is read from the hub, and not kept. */
  let isFull = false;
  const isHere = (span: Span) => kept.verified || missingOf(kept.present, span).length === 0;
  const isWhole = () => isHere([0, size]);

  const bring = async (span: Span, signal?: AbortSignal): Promise<void> => {
    if (kept.verified || (isHere(span) && !isWhole())) return;
    const progress = () => {
      if (sizeOf([span]) === size) source.onProgress(sizeOf(kept.present));
    };
    await kept.writing(async () => {
      progress();
      await fetchMissing(kept, source, span, progress, signal);
      refuseIfCancelled(signal);
      await verifyIfWhole(kept, source, signal);
      progress();
    });
  };
  const spanFor = (start: number, end: number): Span => {
    if (end <= HEADER) return [0, Math.min(HEADER, size)];
    if (size <= source.wholeUpTo) return [0, size];
    return [kept.isSequential ? 0 : start, end];
  };
  const bringIfRoom = async (span: Span): Promise<void> => {
    try {
      if (!isFull) await bring(span);
    } catch (cause) {
      if (!(cause instanceof AppError && cause.code === "storage-full")) throw cause;
      isFull = true;
      source.onNote(`${cause.message} It is read from ${source.host} this time, and kept nowhere.`);
    }
  };
  return {
    ...{ name: source.name, size },
    stored: {
      bytes: () => (kept.verified ? size : sizeOf(kept.present)),
      fetch: (signal) => bring([0, size], signal),
      leave: () => {
        isFull = true;
      },
    },
    read: async (start, end) => {
      if (!(start >= 0 && start <= end && end <= size))
        return checkRange(source.name, size, start, end, new Uint8Array());
      if (start === end) return new Uint8Array();
      if (!isHere([start, end])) await bringIfRoom(spanFor(start, end));
      return isHere([start, end]) ? kept.read(start, end) : source.readThrough(start, end);
    },
  };
}

async function fetchMissing(
  kept: KeptFile,
  source: KeptSource,
  span: Span,
  onProgress: () => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const missing = missingOf(kept.present, span);
  const pieces = kept.isSequential ? [...missing] : missing.flatMap(cut);
  const work = async () => {
    for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift())
      await fetchPiece(kept, source, piece, onProgress, signal);
  };
  const workers = Array.from({ length: kept.isSequential ? 1 : AT_ONCE }, () =>
    work().catch((cause: unknown) => {
      // The others end after the piece that they are at.
      pieces.length = 0;
      throw cause;
    }),
  );
  const results = await Promise.allSettled(workers);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

function cut([start, end]: Span): readonly Span[] {
  const count = Math.ceil((end - start) / PIECE);
  return Array.from({ length: count }, (_, i) => [start + i * PIECE, Math.min(end, start + (i + 1) * PIECE)]);
}

async function fetchPiece(
  kept: KeptFile,
  source: KeptSource,
  span: Span,
  onProgress: () => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let from = span[0];
  let at = from;
  let etag: string | null = null;
  const keep = async () => {
    if (at > from) await kept.keep([from, at], etag);
    from = at;
    onProgress();
  };
  try {
    for await (const piece of source.stream(span, signal)) {
      await refuseChange(kept, source, piece.etag);
      etag = piece.etag;
      await kept.write(piece.at, piece.bytes);
      at = piece.at + piece.bytes.length;
      if (at - from >= FLUSH) await keep();
    }
  } finally {
    await keep();
  }
}

/** Where the hub names the content, that alone decides in the end; else what the server calls it must stay the same. */
async function refuseChange(
  kept: KeptFile,
  { hash, what, host }: KeptSource,
  etag: string | null,
): Promise<void> {
  if (hash !== null || etag === null || kept.etag === null || etag === kept.etag) return;
  await kept.discard();
  throw new AppError(
    "file-invalid",
    `${what} changed at ${host} while it was fetched. What had arrived of it was deleted; try again.`,
    { details: { what, host, changed: true } },
  );
}

async function verifyIfWhole(
  kept: KeptFile,
  { hash, what, host }: KeptSource,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (kept.verified || missingOf(kept.present, [0, kept.size]).length > 0) return;
  const found = hash && (await kept.digest(hash.kind, signal));
  if (found === hash?.hex || hash === null) return kept.complete();
  await kept.discard();
  throw new AppError(
    "file-invalid",
    `${what} arrived with another content than ${host} says that it has: its hash is not the right one. What arrived was deleted. Try again, and another network or address if it stays so.`,
    { details: { what, host, expected: hash.hex, found } },
  );
}
