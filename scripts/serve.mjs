// A small static server for the built app: `npm start` and the end-to-end tests use it. Every answer, errors included,
// carries the headers of security_headers.mjs.
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, sep } from "node:path";
import { pipeline } from "node:stream";
import { pathToFileURL } from "node:url";
import { SECURITY_HEADERS } from "./security_headers.mjs";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".jsonl": "application/jsonl; charset=utf-8",
  ".webmanifest": "application/manifest+json; charset=utf-8",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".webp": "image/webp",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
  ".md": "text/markdown; charset=utf-8",
  ".yaml": "text/yaml; charset=utf-8",
  ".yml": "text/yaml; charset=utf-8",
  ".csv": "text/csv; charset=utf-8",
  ".jinja": "text/plain; charset=utf-8",
};

/**
 * Serves the files below `root` over HTTP on this machine only.
 * @param {string} root the folder to serve.
 * @param {number} port the port; 0 lets the system choose one.
 * @param {number} attempts how many ports to try, from `port` upwards, while they are taken.
 * @returns the address, and a function that ends the server and its open connections.
 */
export async function serve(root, port = 0, attempts = 1) {
  const base = await realpath(root);
  const server = createServer((request, response) => {
    answer(base, request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, "Internal error");
    });
  });
  const actual = await listen(server, port, attempts);
  return {
    url: `http://localhost:${actual}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Listens on the first free port of port, port + 1, ... */
async function listen(server, port, attempts) {
  for (let at = port; ; at++) {
    try {
      await new Promise((resolve, reject) => {
        server.once("error", reject);
        // "localhost" is the name that browsers treat as a secure origin; WebGPU and service workers need one.
        server.listen(at, "localhost", () => {
          server.off("error", reject);
          resolve();
        });
      });
      return server.address().port;
    } catch (error) {
      if (error.code !== "EADDRINUSE" || at + 1 >= port + attempts) throw error;
    }
  }
}

async function answer(base, request, response) {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return refuse(response, 405, "Method not allowed");
  }
  const path = await findFile(base, request.url ?? "/");
  if (path === null) return refuse(response, 404, "Not found");
  const info = await stat(path);
  const etag = `"${info.size.toString(16)}-${Math.trunc(info.mtimeMs).toString(16)}"`;
  const modified = new Date(Math.trunc(info.mtimeMs / 1000) * 1000);
  const headers = {
    ...SECURITY_HEADERS,
    "Content-Type": TYPES[extname(path).toLowerCase()] ?? "application/octet-stream",
    // The browser asks again each time and is told 304: after a rebuild nobody sees yesterday's page.
    "Cache-Control": "no-cache",
    "Accept-Ranges": "bytes",
    ETag: etag,
    "Last-Modified": modified.toUTCString(),
  };
  if (isFresh(request.headers, etag, modified)) return response.writeHead(304, headers).end();

  const range = readRange(request.headers, etag, modified, info.size);
  if (range === "unsatisfiable") {
    const error = { ...SECURITY_HEADERS, "Content-Range": `bytes */${info.size}`, "Content-Length": 0 };
    return response.writeHead(416, error).end();
  }
  const [first, last] = range ?? [0, info.size - 1];
  headers["Content-Length"] = last - first + 1;
  if (range !== null) headers["Content-Range"] = `bytes ${first}-${last}/${info.size}`;
  response.writeHead(range === null ? 200 : 206, headers);
  if (request.method === "HEAD" || info.size === 0) return response.end();
  pipeline(createReadStream(path, { start: first, end: last }), response, () => {});
}

/** The file that an address names, or null. Links may not lead out of the folder, and hidden files are not served. */
async function findFile(base, url) {
  let name;
  try {
    name = decodeURIComponent(new URL(url, "http://localhost").pathname);
  } catch {
    return null;
  }
  if (/[\0\\]|\/\./.test(name)) return null;
  if (name.endsWith("/")) name += "index.html";
  try {
    const path = await realpath(join(base, name));
    const inside = path.startsWith(base + sep);
    return inside && (await stat(path)).isFile() ? path : null;
  } catch {
    return null;
  }
}

/** Whether the copy that the browser already has is this file. If-None-Match decides alone when it is there (RFC 9110). */
function isFresh(headers, etag, modified) {
  const tags = headers["if-none-match"];
  if (tags !== undefined)
    return tags === "*" || tags.split(/\s*,\s*/).some((tag) => tag.replace(/^W\//, "") === etag);
  const since = Date.parse(headers["if-modified-since"] ?? "");
  return Number.isFinite(since) && since >= modified.getTime();
}

/** First and last byte asked for, null for the whole file. Several ranges in one request are answered with the whole file. */
function readRange(headers, etag, modified, size) {
  const condition = headers["if-range"];
  if (condition !== undefined && condition !== etag && Date.parse(condition) !== modified.getTime())
    return null;
  const match = /^bytes=(\d*)-(\d*)$/.exec(headers.range ?? "");
  if (match === null || (match[1] === "" && match[2] === "")) return null;
  const [, from = "", to = ""] = match;
  const first = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== "" && to !== "" && Number(to) < Number(from)) return null;
  return first > last ? "unsatisfiable" : [first, last];
}

function refuse(response, status, text) {
  response.writeHead(status, { ...SECURITY_HEADERS, "Content-Type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}

/** Serves until Ctrl-C (SIGINT) or SIGTERM, then ends with status 0. */
export async function serveUntilInterrupted(root, port, attempts) {
  const server = await serve(root, port, attempts);
  console.log(`AlignTune is at ${server.url}  (Ctrl-C ends it)`);
  const end = () => server.close().then(() => process.exit(0));
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await serveUntilInterrupted(process.argv[2] ?? "dist/app", Number(process.argv[3] ?? 4173), 50);
}
