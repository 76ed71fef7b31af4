import { AppError, refuseIfCancelled } from "../lib/errors.ts";
import { retryAfter } from "./retry_after.ts";

/** Requests for parts of files on web servers, which break off, stall, refuse and change. */

export interface UrlOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly init?: Pick<RequestInit, "cache" | "credentials" | "referrerPolicy">;
  /** Milliseconds to wait before each new try when the network or the server fails; none for a refusal. */
  readonly retryDelays?: readonly number[];
  /** Milliseconds without a byte after which a server counts as stalled; 30 seconds when absent. */
  readonly stallAfter?: number;
  /** Files up to this many bytes are fetched in one piece, at their first read beyond the header, and kept; 32 MiB when absent. */
  readonly keepUpTo?: number;
  /** Ends what is under way, which then throws `cancelled`. */
  readonly signal?: AbortSignal | undefined;
  /** Nothing may be asked; this says so. */
  readonly refuse?: () => AppError;
  /**
   * Better words for a server that is known: what its refusal means, or its page of HTML in place of a file, or, without a
   * response, that it was not reached. Undefined leaves the general ones.
   */
  readonly explain?: (url: URL, response: Response | undefined, cause?: unknown) => AppError | undefined;
}

/** A server that asks to be left alone for longer than this is not waited for. */
const LONGEST_WAIT = 10_000;
const DELAYS: readonly number[] = [250, 1000, 4000];
const STALL = 30_000;

/** Ends early, without an error, when the signal comes. */
export const wait = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    if (signal?.aborted) end();
    signal?.addEventListener("abort", end);
  });

/** The waits before the tries that follow the first one. */
export const delaysOf = ({ retryDelays = DELAYS }: UrlOptions): readonly number[] => retryDelays;

export function failure(
  url: URL,
  why: string,
  details: Record<string, unknown> = {},
  cause?: unknown,
): AppError {
  const { origin, pathname } = url;
  // Not the whole address: what a storage adds to it is a secret for a while.
  return new AppError("network", `${url.host}: ${pathname}: ${why}`, {
    details: { url: origin + pathname, host: url.host, ...details },
    cause,
  });
}

/** One range, tried again after network failures and answers of 429 and 5xx. Other refusals are not tried again. */
export async function request(url: URL, options: UrlOptions, start: number, end: number): Promise<Response> {
  const delays = delaysOf(options);
  if (options.refuse) throw options.refuse();
  for (let attempt = 0; ; attempt++) {
    refuseIfCancelled(options.signal);
    const last = attempt >= delays.length;
    const response = await attemptOnce(url, options, `bytes=${start}-${end - 1}`, last);
    if (response?.ok || response?.status === 404 || response?.status === 416) return response;
    const asked = response === undefined ? 0 : 1000 * (retryAfter(response.headers) ?? 0);
    if (response && (last || !mayPass(response) || asked > LONGEST_WAIT))
      throw await refused(url, options, response);
    await response?.body?.cancel();
    await wait(Math.max(delays[attempt] ?? 0, asked), options.signal);
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
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(new Error("no answer")), options.stallAfter ?? STALL);
  try {
    return await fetch(url, {
      headers: { ...options.headers, range },
      ...options.init,
      signal: options.signal ? AbortSignal.any([stall.signal, options.signal]) : stall.signal,
    });
  } catch (cause) {
    refuseIfCancelled(options.signal);
    if (!last) return undefined;
    throw (
      options.explain?.(url, undefined, cause) ??
      failure(url, "it did not answer. Is the network on?", {}, cause)
    );
  } finally {
    clearTimeout(timer);
  }
}

/** The pieces of a body as they come. Ends in an error when the connection breaks off, or when nothing comes for too long. */
export async function* piecesOf(
  url: URL,
  response: Response,
  { stallAfter = STALL, signal }: UrlOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const piece = await within(reader.read(), stallAfter);
      if (piece === undefined)
        throw failure(url, `nothing came for ${Math.round(stallAfter / 1000)} seconds`, { broken: true });
      if (piece.done) return;
      yield piece.value;
    }
  } catch (cause) {
    // The signal ends the body as well as the request.
    refuseIfCancelled(signal);
    if (cause instanceof AppError) throw cause;
    throw failure(url, "the connection broke off. Try again", { broken: true, cause: String(cause) }, cause);
  } finally {
    // Of a body that is not read to its end nothing more is wanted; of one that has failed there is nothing to stop.
    reader.cancel().catch(() => undefined);
  }
}

/** Undefined when it takes longer. */
async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A whole body. */
export async function bodyOf(
  url: URL,
  response: Response,
  options: UrlOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of piecesOf(url, response, options)) pieces.push(piece);
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** The length of the file that a part was sent of, as the server says it. */
export function totalSize(url: URL, response: Response): number {
  const total = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  if (total !== undefined) return Number(total);
  throw failure(url, `it sent a part of the file without saying how long the file is`, {
    status: response.status,
  });
}

/** A page of HTML in place of another kind of file, as a network sends it that asks people to log in first. */
export const isPage = (response: Response, name: string): boolean =>
  (response.headers.get("content-type") ?? "").startsWith("text/html") && !name.endsWith(".html");
