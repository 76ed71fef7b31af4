import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Plugin } from "vite";

/** Fetched when a person first runs Python (src/host/browser_user_code.ts). */
const FILES: Readonly<Record<string, string>> = {
  "pyodide.asm.mjs": "text/javascript",
  "pyodide.asm.wasm": "application/wasm",
  "python_stdlib.zip": "application/zip",
};

const pathOf = (name: string): string => createRequire(import.meta.url).resolve(`pyodide/${name}`);

/** Puts Pyodide's files, as they were published, into pyodide/ of the app. */
export function pyodideFiles(): Plugin {
  return {
    name: "pyodide-files",
    applyToEnvironment: (environment) => environment.name === "client",
    generateBundle() {
      for (const name of Object.keys(FILES)) {
        this.emitFile({ type: "asset", fileName: `pyodide/${name}`, source: readFileSync(pathOf(name)) });
      }
    },
    configureServer(server) {
      server.middlewares.use("/pyodide/", (request, response, next) => {
        const name = request.url?.replace(/^\//, "") ?? "";
        const type = FILES[name];
        if (type === undefined) return next();
        response.setHeader("content-type", type);
        createReadStream(pathOf(name)).pipe(response);
      });
    },
  };
}
