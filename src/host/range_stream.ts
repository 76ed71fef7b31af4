import { AppError } from "../lib/errors.ts";
import type { Span } from "../lib/spans.ts";
import {
  delaysOf,
  failure,
  isPage,
  piecesOf,
  request,
  totalSize,
  type UrlOptions,
  wait,
} from "./web_request.ts";

export interface Piece {
  /** Where in the file it begins. */
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the server calls the content that it is of; null when it does not say, or another host sent it. */
  readonly etag: string | null;
}

/** What is known of a file before a part of it is asked for. */
export interface Expected {
  readonly name: string;
  readonly size: number;
}

/**
 * A span of a file as it arrives. When the connection breaks off or stalls, or the body ends early, it goes on from the last
 * byte that came; it gives up after as many tries as there are delays without a new byte. Throws `network`, `file-missing`,
 * and `file-invalid` when the file is not as long as it should be.
 */
export async function* streamSpan(
  url: URL,
  options: UrlOptions,
  file: Expected,
  [start, end]: Span,
): AsyncGenerator<Piece> {
  const delays = delaysOf(options);
  let at = start;
  for (let tries = 0; at < end; tries++) {
    const before = at;
    let broken: unknown;
    try {
      for await (const piece of attempt(url, options, file, [at, end])) {
        at += piece.bytes.length;
        yield piece;
      }
      broken = failure(url, `only ${at - before} of ${end - before} bytes came`, { received: at - start });
    } catch (cause) {
      if (!isBreak(cause)) throw cause;
      broken = cause;
    }
    if (at >= end) return;
    if (at > before) tries = 0;
    if (tries >= delays.length) throw broken;
    await wait(delays[tries] ?? 0, options.signal);
  }
}

/** A connection that failed under way; refusals, and files that are not as they should be, are told at once. */
const isBreak = (cause: unknown): boolean => cause instanceof AppError && cause.details["broken"] === true;

async function* attempt(
  url: URL,
  options: UrlOptions,
  { name, size }: Expected,
  [start, end]: Span,
): AsyncGenerator<Piece> {
  const response = await request(url, options, start, end);
  const etag = response.headers.get("etag");
  if (response.status === 404 || response.status === 416 || isPage(response, name)) {
    await response.body?.cancel();
    throw notThere(url, options, response, { name, size });
  }
  const isPart = response.status === 206;
  const total = isPart ? totalSize(url, response) : Number(response.headers.get("content-length") ?? size);
  // A length of a body that is compressed on the way is another one.
  const isPlain = isPart || response.headers.get("content-encoding") === null;
  if (isPlain && total !== size) {
    await response.body?.cancel();
    throw wrongLength(url, name, size, total);
  }
  // A server may answer the whole file to a range: what comes before is passed over.
  let at = isPart ? start : 0;
  for await (const bytes of piecesOf(url, response, options)) {
    const from = Math.max(start - at, 0);
    const to = Math.min(end - at, bytes.length);
    if (from < to) yield { at: at + from, bytes: bytes.subarray(from, to), etag };
    at += bytes.length;
    if (at >= end) return;
  }
}

function notThere(url: URL, options: UrlOptions, response: Response, { name, size }: Expected): AppError {
  const known = response.status === 404 ? undefined : options.explain?.(url, response);
  if (response.status === 416) return wrongLength(url, name, size, undefined);
  return (
    known ??
    new AppError("file-missing", `${url.host} lists ${name} and does not have it.`, {
      details: { host: url.host, file: name, status: response.status },
    })
  );
}

const wrongLength = (url: URL, name: string, size: number, received: number | undefined): AppError =>
  new AppError(
    "file-invalid",
    `${url.host} sent ${name} ${received === undefined ? "as shorter than it should be" : `with ${received} bytes`}; it should have ${size}. Try again, and another network or endpoint if it stays so.`,
    { details: { host: url.host, file: name, size, received } },
  );
