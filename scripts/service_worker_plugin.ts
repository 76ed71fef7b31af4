import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { build, type Plugin } from "vite";

/** A larger file is fetched when it is needed, not with the app. */
const LARGEST = 16 * 1024 * 1024;

/** Stands in the script for the version, until that is known. */
const UNNAMED = "version_of_the_app";

/** What is kept from its first use on, because few people use it. */
const ON_DEMAND = /^pyodide\//;

/** What the server reads, what is replaced on each build, and what only developers open. */
const LEFT_OUT = /^_headers$|^service_worker\.js$|\.map$/;

/**
 * Builds src/service_worker.ts into service_worker.js beside index.html, after everything else has been written, with
 * the list of all files of the app (from the bundle and from public/) and the hash of each.
 */
export function serviceWorker(): Plugin {
  let outDir = "";
  let root = "";
  return {
    name: "service-worker",
    apply: (config, env) => env.command === "build" && !config.build?.ssr,
    configResolved(config) {
      root = config.root;
      outDir = resolve(config.root, config.build.outDir);
    },
    // After the files of the bundle, and of public/, are in place; not called when the build has failed.
    writeBundle: {
      order: "post",
      sequential: true,
      async handler() {
        const files = listFiles(outDir).flatMap((path) => {
          const name = relative(outDir, path).split(sep).join("/");
          if (LEFT_OUT.test(name)) return [];
          if (statSync(path).size > LARGEST) {
            this.warn(`${name} is too large to be kept for offline use`);
            return [];
          }
          const hash = createHash("sha256").update(readFileSync(path)).digest("base64");
          // The path is an address relative to the page: a "#" or a blank in a file's name must survive.
          return [
            {
              path: encodeURI(name).replaceAll("#", "%23").replaceAll("?", "%3F"),
              integrity: `sha256-${hash}`,
            },
          ];
        });
        const isLater = ({ path }: { path: string }) => ON_DEMAND.test(path);
        const lists = { files: files.filter((file) => !isLater(file)), later: files.filter(isLater) };
        const script = await bundle(root, { PRECACHE: JSON.stringify({ version: UNNAMED, ...lists }) });
        // Another list or other code is another version: two versions never share a cache.
        const version = createHash("sha256").update(script).digest("hex").slice(0, 16);
        writeFileSync(join(outDir, "service_worker.js"), script.replace(UNNAMED, version));
      },
    },
  };
}

/** All files below a folder, in an order that does not depend on the file system. */
function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** One self-contained classic script: service workers that are modules are not in every browser. */
async function bundle(root: string, define: Record<string, string>): Promise<string> {
  const result = await build({
    configFile: false,
    root,
    logLevel: "error",
    publicDir: false,
    define,
    build: {
      write: false,
      target: "es2023",
      lib: { entry: join(root, "src/service_worker.ts"), formats: ["iife"], name: "serviceWorker" },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  const chunk = output && "output" in output ? output.output[0] : undefined;
  if (chunk === undefined) throw new Error("The service worker was not built");
  return chunk.code;
}
