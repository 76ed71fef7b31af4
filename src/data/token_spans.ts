import { AppError } from "../lib/errors.ts";
import type { Span } from "./message.ts";

/** The bytes that one token stands for, and what the tokenizer may have done to them. */
export interface TokenBytes {
  readonly bytes: Uint8Array;
  /** An added token (`<|im_end|>`): matched literally; white space beside it may have been swallowed. */
  readonly added: boolean;
  /** Whether it swallows the white space after it. */
  readonly rstrip: boolean;
  /** Whether a leading space may have been put there by the tokenizer (Metaspace, add_prefix_space). */
  readonly optionalSpace: boolean;
}

export interface SourceForm {
  /** Unicode form the tokenizer brings text into before it cuts it. */
  readonly unicode: "NFC" | "NFD" | "NFKC" | "NFKD" | undefined;
  /** Whether U+2581 in the text is the same as a space. */
  readonly metaspace: boolean;
  /** Whether a space is put before text even where the text begins with one (the Prepend normalizer). */
  readonly alwaysPrepends: boolean;
}

/** The text as the tokenizer sees it, in UTF-8, with the place of every byte in the text it came from. */
interface Source {
  readonly bytes: Uint8Array;
  readonly startOf: Int32Array;
  readonly endOf: Int32Array;
  readonly length: number;
}

const SPACE = 0x20;
const encoder = new TextEncoder();

/**
 * Where each token lies in the text, as the `tokenizers` library reports offsets: a token that holds only some bytes
 * of a character spans the whole character; white space that a marker swallowed is the marker's; a space that the
 * tokenizer put in lies on the character after it; tokens that a post-processor put in (BOS) span nothing.
 * Unlike there, characters that normalizing joined (e + accent) are spanned whole, so that the spans tile the text.
 * Throws `model-unsupported` when they do not, so that a mask is never put in a wrong place.
 */
export function alignTokens(text: string, tokens: readonly TokenBytes[], form: SourceForm): Span[] {
  const source = sourceOf(text, form);
  const spans: Span[] = [];
  let at = 0;
  let previous: TokenBytes | undefined;
  for (const token of tokens) {
    if (previous?.rstrip) at = swallow(source, spans, at);
    const sectionStart = previous === undefined || previous.added;
    const next = place(source, at, token, sectionStart, form);
    if (next === undefined) throw cannotAlign(text, source, at, token);
    const shownEnd = next.dummy ? Math.min(next.end + 1, source.bytes.length) : next.end;
    spans.push({ start: charStart(source, at), end: charEnd(source, at, shownEnd) });
    at = next.end;
    previous = token;
  }
  if (previous?.rstrip) at = swallow(source, spans, at);
  if (at < source.bytes.length) throw cannotAlign(text, source, at, undefined);
  return spans;
}

interface Placed {
  readonly end: number;
  /** The token is nothing but a space that the tokenizer put in. */
  readonly dummy: boolean;
}

/** Where the token that begins at `at` ends, or undefined when it does not fit there. */
function place(
  source: Source,
  at: number,
  token: TokenBytes,
  sectionStart: boolean,
  form: SourceForm,
): Placed | undefined {
  const { bytes } = token;
  const whole = startsWith(source.bytes, at, bytes) ? { end: at + bytes.length, dummy: false } : undefined;
  const rest = bytes.subarray(1);
  const prepended =
    sectionStart && token.optionalSpace && bytes[0] === SPACE && startsWith(source.bytes, at, rest)
      ? { end: at + rest.length, dummy: rest.length === 0 }
      : undefined;
  const plain = form.alwaysPrepends ? (prepended ?? whole) : (whole ?? prepended);
  if (plain || !token.added) return plain;
  const skipped = skipSpace(source.bytes, at);
  const found = skipped > at && startsWith(source.bytes, skipped, bytes);
  return { end: found ? skipped + bytes.length : at, dummy: false };
}

/** Gives the white space at `at` to the marker before it; returns where it ends. */
function swallow(source: Source, spans: Span[], at: number): number {
  const end = skipSpace(source.bytes, at);
  const last = spans.at(-1);
  if (last && end > at) spans[spans.length - 1] = { start: last.start, end: charEnd(source, at, end) };
  return end;
}

function sourceOf(text: string, form: SourceForm): Source {
  const bytes: number[] = [];
  const startOf: number[] = [];
  const endOf: number[] = [];
  for (const { start, end, normal } of segments(text, form.unicode)) {
    const shown = form.metaspace ? normal.replaceAll("\u2581", " ") : normal;
    for (const byte of encoder.encode(shown)) {
      bytes.push(byte);
      startOf.push(start);
      endOf.push(end);
    }
  }
  return {
    bytes: Uint8Array.from(bytes),
    startOf: Int32Array.from(startOf),
    endOf: Int32Array.from(endOf),
    length: text.length,
  };
}

interface Segment extends Span {
  readonly normal: string;
}

/** Characters with their place; where normalizing changes the text, whole clusters, because characters join there. */
function* segments(text: string, unicode: SourceForm["unicode"]): Generator<Segment> {
  if (unicode === undefined || text.normalize(unicode) === text) {
    let start = 0;
    for (const char of text) {
      yield { start, end: start + char.length, normal: char };
      start += char.length;
    }
    return;
  }
  for (const { index, segment } of new Intl.Segmenter("und").segment(text)) {
    const normal = segment.normalize(unicode);
    if (normal === segment) {
      let start = index;
      for (const char of segment) {
        yield { start, end: start + char.length, normal: char };
        start += char.length;
      }
    } else yield { start: index, end: index + segment.length, normal };
  }
}

function charStart(source: Source, byte: number): number {
  return source.startOf[byte] ?? source.length;
}

function charEnd(source: Source, start: number, end: number): number {
  return end === start ? charStart(source, start) : (source.endOf[end - 1] ?? source.length);
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  if (at + prefix.length > bytes.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && [SPACE, 0x09, 0x0a, 0x0b, 0x0c, 0x0d].includes(bytes[at] ?? 0)) at++;
  return at;
}

function cannotAlign(text: string, source: Source, at: number, token: TokenBytes | undefined): AppError {
  const char = charStart(source, at);
  const shown = JSON.stringify(text.slice(char, char + 20));
  const piece = token ? JSON.stringify(new TextDecoder().decode(token.bytes)) : "nothing";
  return new AppError(
    "model-unsupported",
    `This tokenizer's tokens cannot be matched with the text: at character ${char} the text is ${shown} and the token ${piece}. ` +
      "The tokenizer changes text in a way that is not supported here (lower-casing, unknown characters). Turn assistant_only_loss off, or use another model.",
    { details: { char, text: shown, token: piece } },
  );
}
