import type { Asset } from "../../host/host.ts";
import { AppError } from "../../lib/errors.ts";

export type Encoding = "utf-8" | "utf-16le" | "utf-16be";

const CHUNK = 4 * 1024 * 1024;
/** V8 holds no string above about 536 million units. */
const WHOLE_LIMIT = 400 * 1024 * 1024;
const NEWLINE = 0x0a;

export interface Line {
  /** Counted from 1. */
  readonly line: number;
  /** Without its line end. Undefined when the bytes are no text in the file's encoding. */
  readonly text: string | undefined;
}

interface Detected {
  readonly encoding: Encoding;
  /** Bytes of the byte order mark. */
  readonly mark: number;
}

/**
 * The encoding of a file: its byte order mark, or zero bytes at every other place for UTF-16 without one, else UTF-8.
 * Throws `dataset-invalid` for an empty file and for files that are no text (gzip, zip).
 */
export async function detectEncoding(asset: Asset): Promise<Detected> {
  if (asset.size === 0) throw invalid(asset, "is empty", "Choose a file with rows in it.");
  const head = await asset.read(0, Math.min(asset.size, 1024));
  const starts = (...bytes: number[]) => bytes.every((byte, i) => head[i] === byte);
  if (starts(0x1f, 0x8b) || starts(0x50, 0x4b, 3, 4) || starts(0x28, 0xb5, 0x2f, 0xfd)) {
    throw invalid(asset, "is compressed", "Unpack it first.");
  }
  if (starts(0xef, 0xbb, 0xbf)) return { encoding: "utf-8", mark: 3 };
  if (starts(0xff, 0xfe)) return { encoding: "utf-16le", mark: 2 };
  if (starts(0xfe, 0xff)) return { encoding: "utf-16be", mark: 2 };
  const zeros = [0, 0];
  for (let i = 0; i < head.length; i++) if (head[i] === 0) zeros[i % 2] = (zeros[i % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  if (Math.max(even, odd) > head.length / 4)
    return { encoding: odd > even ? "utf-16le" : "utf-16be", mark: 0 };
  return { encoding: "utf-8", mark: 0 };
}

/** The lines of a file, read piece by piece. LF, CRLF and a last line without an end are all well. */
export async function* readLines(asset: Asset): AsyncGenerator<Line> {
  const { encoding, mark } = await detectEncoding(asset);
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  let line = 0;
  for await (const bytes of splitLines(asset, mark, encoding)) {
    line += 1;
    yield { line, text: decodeOrUndefined(decoder, bytes)?.replace(/\r$/, "") };
  }
}

/** A whole file as text. Throws `dataset-invalid` when it is too large or no text, naming the line. */
export async function readWhole(asset: Asset): Promise<{ text: string; encoding: Encoding }> {
  if (asset.size > WHOLE_LIMIT) {
    throw invalid(
      asset,
      `has ${asset.size} bytes, more than can be read at once`,
      "Save it as JSONL, which is read line by line.",
    );
  }
  const { encoding, mark } = await detectEncoding(asset);
  const bytes = await asset.read(mark, asset.size);
  const text = decodeOrUndefined(new TextDecoder(encoding, { fatal: true, ignoreBOM: true }), bytes);
  if (text !== undefined) return { text, encoding };
  for await (const line of readLines(asset)) {
    if (line.text === undefined) {
      throw invalid(asset, `is not ${encoding} text: line ${line.line} cannot be read`, "Save it as UTF-8.");
    }
  }
  throw invalid(asset, `is not ${encoding} text`, "Save it as UTF-8.");
}

function decodeOrUndefined(decoder: TextDecoder, bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    // A fatal decoder throws TypeError for bytes that are no text; the caller names the line.
    if (cause instanceof TypeError) return undefined;
    throw cause;
  }
}

/** The bytes of each line without its LF. UTF-16 units are two bytes, so an LF counts only at an even place. */
async function* splitLines(asset: Asset, from: number, encoding: Encoding): AsyncGenerator<Uint8Array> {
  const width = encoding === "utf-8" ? 1 : 2;
  const low = encoding === "utf-16be" ? 1 : 0;
  let rest: Uint8Array = new Uint8Array(0);
  for (let at = from; at < asset.size; at += CHUNK) {
    const bytes = concat(rest, await asset.read(at, Math.min(at + CHUNK, asset.size)));
    let start = 0;
    for (let i = rest.length - (rest.length % width); i + width <= bytes.length; i += width) {
      const isEnd = bytes[i + low] === NEWLINE && (width === 1 || bytes[i + 1 - low] === 0);
      if (!isEnd) continue;
      yield bytes.subarray(start, i);
      start = i + width;
    }
    rest = bytes.slice(start);
  }
  if (rest.length > 0) yield rest;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function invalid(asset: Asset, what: string, advice: string): AppError {
  return new AppError("dataset-invalid", `${asset.name} ${what}. ${advice}`, {
    details: { file: asset.name },
  });
}
