import { readByteRange } from "./lib/byte_range.ts";

/**
 * Keeps the whole app, the embedded model and the datasets on the device, so that the page opens and trains with the
 * network off. It answers from its cache what is in its list, lets the browser do everything else, and never makes a
 * request to another origin.
 *
 * A new version installs beside the old one and waits: a page that is training keeps the files it was loaded with. It
 * takes over when a page that has only just loaded asks for it and is the only one open (see src/store/offline.ts), or
 * when all pages are closed.
 */

/** One file of the app: its path from the folder of this script, and the hash of its bytes ("sha256-..."). */
interface PrecachedFile {
  readonly path: string;
  readonly integrity: string;
}

/** Filled in by the build (scripts/service_worker_plugin.ts). */
declare const PRECACHE: {
  readonly version: string;
  readonly files: readonly PrecachedFile[];
  /** Stored when they are first asked for. */
  readonly later: readonly PrecachedFile[];
};
// The build writes the list where its name stands, so the name stands once.
const precache = PRECACHE;

/** What this script uses of the service-worker globals; the page's type library has none of them. */
interface LifetimeEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface RequestEvent extends LifetimeEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface WindowClient {
  readonly url: string;
}
interface WorkerScope {
  readonly registration: { readonly scope: string };
  readonly clients: {
    claim(): Promise<void>;
    matchAll(options: { type: "window"; includeUncontrolled: boolean }): Promise<readonly WindowClient[]>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: LifetimeEvent) => void): void;
  addEventListener(type: "fetch", listener: (event: RequestEvent) => void): void;
  addEventListener(
    type: "message",
    listener: (event: LifetimeEvent & { readonly data: unknown }) => void,
  ): void;
}

const scope = globalThis as unknown as WorkerScope;
const base = new URL("./", globalThis.location.href);

const PREFIX = `aligntune-app ${base.pathname} `;
const CACHE = PREFIX + precache.version;

/** Address of each file to the key it has in the cache. The key names the bytes, so that versions can share files. */
const keys = new Map(precache.files.map((file) => [new URL(file.path, base).href, cacheKey(file)]));
// The folder's own address is the page.
keys.set(base.href, keys.get(new URL("index.html", base).href) ?? "");

/** The files that are stored at their first use, by their address. */
const later = new Map(precache.later.map((file) => [new URL(file.path, base).href, file]));

function cacheKey(file: PrecachedFile): string {
  const key = new URL(file.path, base);
  key.searchParams.set("bytes", file.integrity);
  return key.href;
}

scope.addEventListener("install", (event) => event.waitUntil(install()));
scope.addEventListener("activate", (event) => event.waitUntil(activate()));
scope.addEventListener("message", (event) => {
  if (event.data === "use this version") event.waitUntil(takeOver());
});
scope.addEventListener("fetch", (event) => {
  const key = lookUp(event.request);
  const file = later.get(event.request.url);
  if (key !== null) event.respondWith(answer(event.request, key));
  else if (file !== undefined && event.request.method === "GET") event.respondWith(answerLater(file));
  else if (isOptional(event.request)) event.respondWith(fetch(event.request).catch(notFound));
});

/** Stores every file of the list. One that is missing or has other bytes than the build's fails the whole installation. */
async function install(): Promise<void> {
  try {
    const cache = await caches.open(CACHE);
    await Promise.all(precache.files.map((file) => store(cache, file)));
    await Promise.all(precache.later.map((file) => takeOverFile(cache, file)));
  } catch (error) {
    await caches.delete(CACHE);
    throw error;
  }
}

/** Takes over a file that an older version holds with the same bytes, and downloads any other. */
async function store(cache: Cache, file: PrecachedFile): Promise<void> {
  const key = cacheKey(file);
  const response = (await caches.match(key)) ?? (await download(file));
  await cache.put(key, response);
}

/** Keeps a file of the second list that an older version has stored. */
async function takeOverFile(cache: Cache, file: PrecachedFile): Promise<void> {
  const key = cacheKey(file);
  const response = await caches.match(key);
  if (response !== undefined) await cache.put(key, response);
}

async function download(file: PrecachedFile): Promise<Response> {
  // Hosts answer index.html with a redirect to its folder, and a redirected answer may not serve a navigation.
  const path = file.path === "index.html" ? "./" : file.path;
  const response = await fetch(new URL(path, base), {
    cache: "no-cache",
    credentials: "omit",
    integrity: file.integrity,
    redirect: "error",
  });
  if (!response.ok) throw new Error(`${file.path} was answered with status ${response.status}`);
  return response;
}

/** Removes what older versions stored, and serves pages that were loaded before the first installation. */
async function activate(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await scope.clients.claim();
}

/**
 * Becomes the active version, unless another page is open: it may be training, and it needs the files it came with. A page
 * that is being reloaded counts as two for a moment, so it is asked a few times; briefly, because a reload must come before
 * the person has begun something.
 */
async function takeOver(): Promise<void> {
  for (let attempt = 0; attempt < 4; attempt++) {
    const pages = await scope.clients.matchAll({ type: "window", includeUncontrolled: true });
    const ours = pages.filter((page) => page.url.startsWith(scope.registration.scope));
    if (ours.length <= 1) return scope.skipWaiting();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The cache key of a request that this worker answers, or null for one that is none of its business. */
function lookUp(request: Request): string | null {
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== base.origin) return null;
  url.hash = "";
  url.search = "";
  return keys.get(url.href) ?? null;
}

/**
 * Files of models and datasets that are not in the list. Readers ask for some that a model may lack
 * (special_tokens_map.json): with the network off the answer is that there is none, not that the network failed.
 */
function isOptional(request: Request): boolean {
  const folders = ["models/", "datasets/"].map((name) => new URL(name, base).href);
  return request.method === "GET" && folders.some((folder) => request.url.startsWith(folder));
}

function notFound(): Response {
  return new Response(null, { status: 404, statusText: "Not Found" });
}

/** A file of the second list: from the cache, or from the network and then kept. */
async function answerLater(file: PrecachedFile): Promise<Response> {
  const cache = await caches.open(CACHE);
  const key = cacheKey(file);
  const stored = await cache.match(key);
  if (stored !== undefined) return stored;
  const response = await download(file);
  // Where there is no room, it is fetched again the next time.
  await cache.put(key, response.clone()).catch(() => {});
  return response;
}

/** The stored file or the part of it that was asked for. What the browser has evicted comes from the network again. */
async function answer(request: Request, key: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  const stored = await cache.match(key);
  if (stored === undefined) return fetch(request);
  const header = request.headers.get("range");
  if (header === null) return stored;

  const body = await stored.blob();
  const range = readByteRange(header, body.size);
  const headers = new Headers(stored.headers);
  headers.delete("content-encoding");
  if (range === null) return new Response(body, { headers });
  if (range === "unsatisfiable") {
    headers.set("content-range", `bytes */${body.size}`);
    headers.delete("content-length");
    return new Response(null, { status: 416, headers });
  }
  headers.set("content-range", `bytes ${range.first}-${range.last}/${body.size}`);
  headers.set("content-length", String(range.last - range.first + 1));
  return new Response(body.slice(range.first, range.last + 1), { status: 206, headers });
}
