import { AppError } from "../lib/errors.ts";
import type { Asset, Folder } from "./host.ts";
import { checkRange, memoryAsset } from "./memory.ts";
import { retryAfter } from "./retry_after.ts";

/** The first request asks for this much: most files come whole, and of the others it holds the header. */
const FIRST = 1024 * 1024;
/** Files up to this size are fetched in one piece rather than tensor by tensor. */
const WHOLE = 32 * 1024 * 1024;

export interface UrlOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds to wait before each new try when the network or the server fails; none for a refusal. */
  readonly retryDelays?: readonly number[];
  /** Files up to this many bytes are fetched in one piece, at their first read beyond the header, and kept; 32 MiB when absent. */
  readonly keepUpTo?: number;
  /**
   * Better words for a server that is known: what its refusal means, or its page of HTML in place of a file, or, without a
   * response, that it was not reached. Undefined leaves the general ones.
   */
  readonly explain?: (url: URL, response: Response | undefined, cause?: unknown) => AppError | undefined;
}

/** A server that asks to be left alone for longer than this is not waited for. */
const LONGEST_WAIT = 10_000;
const DELAYS: readonly number[] = [250, 1000, 4000];

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
  const first = await bodyOf(url, response);
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
    { details: { url: url.href, received, expected } },
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
      `${url.href} had ${size} bytes and changed while in use: ${got}. Open it again.`,
      {
        details: { url: url.href, size, start, end },
      },
    );
  if (response.status !== 200 && response.status !== 206) throw changed(`status ${response.status}`);
  const body = await bodyOf(url, response);
  if (response.status === 200) {
    if (body.length !== size) throw changed(`${body.length} bytes`);
    return body.slice(start, end);
  }
  const total = totalSize(url, response);
  if (total !== size) throw changed(`${total} bytes`);
  if (body.length !== end - start) throw changed(`${body.length} bytes for ${start} to ${end}`);
  return body;
}

function isPage(response: Response, name: string): boolean {
  return (response.headers.get("content-type") ?? "").startsWith("text/html") && !name.endsWith(".html");
}

function totalSize(url: URL, response: Response): number {
  const total = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  if (total !== undefined) return Number(total);
  throw failure(url, `it sent a part of the file without saying how long the file is`, {
    status: response.status,
  });
}

async function bodyOf(url: URL, response: Response): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw failure(url, "the connection broke off. Try again", { cause: String(cause) }, cause);
  }
}

/** One range, tried again after network failures and answers of 429 and 5xx. Other refusals are not tried again. */
async function request(url: URL, options: UrlOptions, start: number, end: number): Promise<Response> {
  const delays = options.retryDelays ?? DELAYS;
  for (let attempt = 0; ; attempt++) {
    const last = attempt >= delays.length;
    const response = await attemptOnce(url, options, `bytes=${start}-${end - 1}`, last);
    if (response?.ok || response?.status === 404 || response?.status === 416) return response;
    const asked = response === undefined ? 0 : 1000 * (retryAfter(response.headers) ?? 0);
    if (response && (last || !mayPass(response) || asked > LONGEST_WAIT))
      throw await refused(url, options, response);
    await new Promise((resolve) => setTimeout(resolve, Math.max(delays[attempt] ?? 0, asked)));
  }
}

const mayPass = ({ status }: Response): boolean => status === 429 || status >= 500;

async function refused(url: URL, options: UrlOptions, response: Response): Promise<AppError> {
  await response.body?.cancel();
  const general = `it answered ${response.status} ${response.statusText}`.trim();
  return options.explain?.(url, response) ?? failure(url, general, { status: response.status });
}

/** Undefined when the server could not be reached and there are tries left. */
async function attemptOnce(
  url: URL,
  options: UrlOptions,
  range: string,
  last: boolean,
): Promise<Response | undefined> {
  try {
    return await fetch(url, { headers: { ...options.headers, range } });
  } catch (cause) {
    if (!last) return undefined;
    throw (
      options.explain?.(url, undefined, cause) ??
      failure(url, "it did not answer. Is the network on?", {}, cause)
    );
  }
}

function failure(url: URL, why: string, details: Record<string, unknown>, cause?: unknown): AppError {
  return new AppError("network", `${url.host}: ${url.pathname}: ${why}`, {
    details: { url: url.href, ...details },
    cause,
  });
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
