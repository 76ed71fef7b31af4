import { AppError } from "../lib/errors.ts";
import type { Asset, Folder } from "./host.ts";
import { checkRange, memoryAsset } from "./memory.ts";
import { bodyOf, isPage, request, totalSize, type UrlOptions } from "./web_request.ts";

/** The first request asks for this much: most files come whole, and of the others it holds the header. */
const FIRST = 1024 * 1024;
/** Files up to this size are fetched in one piece rather than tensor by tensor. */
const WHOLE = 32 * 1024 * 1024;

/**
 * A file on a web server, read by range. A server that answers the whole file to a range is taken at its word: the bytes
 * are kept and cut here. Undefined when there is no such file; a page of HTML in its place, which is what servers of
 * single-page apps send, counts as none. Throws `network` naming the host and what it answered.
 */
export async function openUrl(url: URL, options: UrlOptions = {}): Promise<Asset | undefined> {
  const name = decodeURIComponent(url.pathname.slice(url.pathname.lastIndexOf("/") + 1));
  const response = await request(url, options, 0, FIRST);
  if (response.status === 404 || isPage(response, name)) {
    await response.body?.cancel();
    const known = response.ok ? options.explain?.(url, response) : undefined;
    if (known) throw known;
    return undefined;
  }
  if (response.status === 416) return memoryAsset(name, new Uint8Array());
  const first = await bodyOf(url, response, options);
  if (response.status === 200) return memoryAsset(name, first);
  const size = totalSize(url, response);
  if (size === first.length) return memoryAsset(name, first);
  if (first.length !== Math.min(FIRST, size)) throw cutShort(url, first.length, Math.min(FIRST, size));
  return rangedAsset(url, options, { name, size, first });
}

function cutShort(url: URL, received: number, expected: number): AppError {
  return new AppError(
    "file-invalid",
    `${url.host}: ${url.pathname} came with ${received} bytes in place of ${expected}. The download was cut; try again.`,
    { details: { url: url.origin + url.pathname, received, expected } },
  );
}

function rangedAsset(
  url: URL,
  options: UrlOptions,
  { name, size, first }: { name: string; size: number; first: Uint8Array<ArrayBuffer> },
): Asset {
  let whole: Promise<Uint8Array<ArrayBuffer>> | undefined;
  const get = (start: number, end: number) => fetchRange(url, options, start, end, size);
  const fetchWhole = async () => {
    const rest = await get(first.length, size);
    const bytes = new Uint8Array(size);
    bytes.set(first);
    bytes.set(rest, first.length);
    return bytes;
  };
  const read = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
    if (!(start >= 0 && start <= end && end <= size))
      return checkRange(name, size, start, end, new Uint8Array());
    if (end <= first.length) return first.slice(start, end);
    if (size > (options.keepUpTo ?? WHOLE)) return get(start, end);
    whole ??= fetchWhole().catch((cause: unknown) => {
      // Not kept: the next read tries again.
      whole = undefined;
      throw cause;
    });
    return (await whole).slice(start, end);
  };
  return { name, size, read };
}

async function fetchRange(
  url: URL,
  options: UrlOptions,
  start: number,
  end: number,
  size: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await request(url, options, start, end);
  const changed = (got: string) =>
    new AppError(
      "file-invalid",
      `${url.host}: ${url.pathname} had ${size} bytes and changed while in use: ${got}. Open it again.`,
      { details: { url: url.origin + url.pathname, size, start, end } },
    );
  if (response.status !== 200 && response.status !== 206) throw changed(`status ${response.status}`);
  const body = await bodyOf(url, response, options);
  if (response.status === 200) {
    if (body.length !== size) throw changed(`${body.length} bytes`);
    return body.slice(start, end);
  }
  const total = totalSize(url, response);
  if (total !== size) throw changed(`${total} bytes`);
  if (body.length !== end - start) throw changed(`${body.length} bytes for ${start} to ${end}`);
  return body;
}

/** A folder on a web server. Servers do not list, so `list` gives the files that were found so far. */
export function urlFolder(base: URL, name: string, options: UrlOptions = {}): Folder {
  const found = new Set<string>();
  return {
    name,
    list: () => Promise.resolve([...found].sort()),
    open: async (file) => {
      const asset = await openUrl(new URL(encodeURIComponent(file), base), options);
      if (asset) found.add(file);
      return asset;
    },
  };
}
