import { AppError } from "../lib/errors.ts";
import type { Span } from "./message.ts";

/** The bytes that one token stands for, and what the tokenizer may have done to them. */
export interface TokenBytes {
  readonly bytes: Uint8Array;
  /** An added token (`<|im_end|>`): matched literally; white space beside it may have been swallowed. */
  readonly added: boolean;
  /** Whether a leading space may have been put there by the tokenizer (Metaspace, add_prefix_space). */
  readonly optionalSpace: boolean;
}

export interface SourceForm {
  /** Unicode form the tokenizer brings text into before it cuts it. */
  readonly unicode: "NFC" | "NFD" | "NFKC" | "NFKD" | undefined;
  /** Whether U+2581 in the text is the same as a space. */
  readonly metaspace: boolean;
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
 * of a character spans the whole character. Tokens that a post-processor put in (BOS) span nothing.
 * Throws `model-unsupported` when the tokens do not tile the text, so that a mask is never put in a wrong place.
 */
export function alignTokens(text: string, tokens: readonly TokenBytes[], form: SourceForm): Span[] {
  const source = sourceOf(text, form);
  const spans: Span[] = [];
  let at = 0;
  let afterAdded = true;
  for (const token of tokens) {
    const next = place(source, at, token, afterAdded);
    if (next === undefined) throw cannotAlign(text, source, at, token);
    spans.push({ start: charStart(source, next.start), end: charEnd(source, next.start, next.end) });
    at = next.end;
    afterAdded = token.added;
  }
  if (afterAdded) at = skipSpace(source.bytes, at);
  if (at < source.bytes.length) throw cannotAlign(text, source, at, undefined);
  return spans;
}

/** The bytes that a token takes from position `at`, or undefined when it does not fit there. */
function place(source: Source, at: number, token: TokenBytes, afterAdded: boolean) {
  const { bytes } = token;
  if (startsWith(source.bytes, at, bytes)) return { start: at, end: at + bytes.length };
  if (afterAdded && token.optionalSpace && bytes[0] === SPACE) {
    const rest = bytes.subarray(1);
    if (startsWith(source.bytes, at, rest)) return { start: at, end: at + rest.length };
  }
  if (!token.added && !afterAdded) return undefined;
  const skipped = skipSpace(source.bytes, at);
  if (startsWith(source.bytes, skipped, bytes)) return { start: skipped, end: skipped + bytes.length };
  return token.added ? { start: at, end: at } : undefined;
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
