// Prints what the page loads before anything else happens, and fails above the budget: at most 250 KB of JavaScript,
// compressed with gzip at level 9. Counted are the scripts of index.html and all that they import statically.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUDGET = 250_000;

const app = join(dirname(fileURLToPath(import.meta.url)), "../dist/app");

/** The scripts and preloaded modules that index.html names. */
function entries() {
  const html = readFileSync(join(app, "index.html"), "utf8");
  const tags = html.match(/<script[^>]*>|<link[^>]*rel="modulepreload"[^>]*>/g) ?? [];
  return tags
    .map((tag) => /(?:src|href)="([^"]+)"/.exec(tag)?.[1])
    .filter((path) => path !== undefined)
    .map((path) => join(app, path));
}

/** The files that a chunk imports statically. Text that only looks like an import names no file and is passed over. */
function staticImports(path) {
  const code = readFileSync(path, "utf8");
  return [...code.matchAll(/(?:\bfrom|\bimport)\s*["'](\.[^"']+)["']/g)]
    .map((match) => join(dirname(path), match[1]))
    .filter(existsSync);
}

function firstLoad() {
  const found = new Set();
  const open = entries();
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    open.push(...staticImports(path));
  }
  return [...found];
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1).padStart(8)} KB`;
const sizeOf = (path) => gzipSync(readFileSync(path), { level: 9 }).length;

const first = firstLoad().map((path) => ({ name: basename(path), size: sizeOf(path) }));
const later = readdirSync(app, { recursive: true })
  .filter((name) => /\.m?js$/.test(name) && !first.some((file) => file.name === basename(name)))
  .map((name) => ({ name: basename(name), size: sizeOf(join(app, name)) }));
const total = first.reduce((sum, file) => sum + file.size, 0);

const bySize = (a, b) => b.size - a.size;
console.log("JavaScript, gzip -9");
for (const file of first.sort(bySize)) console.log(`${kilobytes(file.size)}  ${file.name}`);
console.log(`${kilobytes(total)}  first load, of ${kilobytes(BUDGET).trim()} allowed`);
for (const file of later.sort(bySize)) console.log(`${kilobytes(file.size)}  ${file.name} (later)`);
if (first.length === 0 || total > BUDGET) {
  console.error(first.length === 0 ? "index.html loads no script." : "The first load is above its budget.");
  process.exit(1);
}
