import type { ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { readByteRange } from "../../src/lib/byte_range.ts";

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  /** The hub itself, or the storage that it redirects large files to, which is another origin. */
  readonly at: "hub" | "storage";
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** What goes wrong with a request. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The connection breaks off in the middle, or for little at once. */
  | "broken"
  /** An answer that says it is whole, and is half of what was asked for. */
  | "short"
  /** A file that is said to be one byte longer than it is. */
  | "longer"
  /** Half of the bytes, and then nothing, with the connection open. */
  | "stalled"
  /** The bytes in many small pieces, some milliseconds apart. */
  | "slow"
  /** Another content of the same length. */
  | "changed"
  /** A page of HTML, as a network asks people to log in with. */
  | "page";

export interface Answered extends SeenRequest {
  readonly fault: Exclude<Fault, object | "page"> | undefined;
}

/** Sends a file or the part of it that was asked for, with its fault. */
export function sendFile(request: Answered, response: ServerResponse, whole: Uint8Array, name: string): void {
  const { fault } = request;
  const bytes = fault === "changed" ? whole.map((byte) => byte ^ 1) : whole;
  const range = readByteRange(request.range ?? null, bytes.length);
  const etag = fault === "changed" ? `"other-${name}"` : `"${name}"`;
  if (range === "unsatisfiable") {
    response.writeHead(416, { "content-range": `bytes */${bytes.length}`, etag }).end();
    return;
  }
  const { first, last } = range ?? { first: 0, last: bytes.length - 1 };
  const body = bytes.subarray(first, last + 1);
  // Half of what is much, and nothing of what is little, so that tries without end come to one.
  const half = body.subarray(0, body.length > 100_000 ? body.length >> 1 : 0);
  const total = bytes.length + (fault === "longer" ? 1 : 0);
  const place = { "content-range": `bytes ${first}-${last}/${total}` };
  if (fault === "short") return void response.writeHead(206, { ...place, etag }).end(half);
  const headers = { ...(range ? place : {}), "content-length": body.length, "accept-ranges": "bytes", etag };
  response.writeHead(range ? 206 : 200, headers);
  if (fault === "broken") void breakOff(response, half);
  else if (fault === "stalled") response.write(half);
  else if (fault === "slow") void drip(response, body);
  else response.end(body);
}

/** What a browser has not read yet when the connection ends is lost to it, so it is given a moment. */
async function breakOff(response: ServerResponse, half: Uint8Array): Promise<void> {
  response.write(half);
  if (half.length > 0) await wait(100);
  response.destroy();
}

async function drip(response: ServerResponse, body: Uint8Array): Promise<void> {
  const piece = Math.max(1, Math.ceil(body.length / 16));
  for (let at = 0; at < body.length && !response.destroyed; at += piece) {
    response.write(body.subarray(at, at + piece));
    await wait(5);
  }
  response.end();
}
