import { loadPyodide } from "pyodide";
import type { FromRunner, ToRunner } from "./messages.ts";
import { type Pyodide, startPython } from "./python.ts";

/**
 * The worker in which Python runs. Its text is Pyodide's own program, which defines `createPyodideModule`, and then this.
 * It has no network: the first message brings Pyodide's files, and whatever asks for them by fetch is given those bytes.
 */

/** Where the files seem to be; any address will do, as nothing is ever asked of it. */
const PLACE = "https://pyodide.invalid/";

type Files = Readonly<Record<string, ArrayBuffer>>;

interface WorkerScope {
  createPyodideModule: NonNullable<Parameters<typeof loadPyodide>[0]>["createPyodideModule"];
  fetch: (address: string) => Promise<Response>;
  importScripts: unknown;
  postMessage(message: FromRunner): void;
  addEventListener(
    type: "message",
    listener: (event: { readonly data: { readonly files: Files } | ToRunner }) => void,
  ): void;
}

const scope = globalThis as unknown as WorkerScope;
const post = scope.postMessage.bind(scope);
let running: Promise<(request: ToRunner) => Promise<void>> | undefined;

scope.addEventListener("message", ({ data }) => {
  if ("files" in data) running = open(data.files);
  else void running?.then((run) => run(data));
});

async function open(files: Files) {
  const ownFetch = scope.fetch;
  scope.fetch = async (address) => {
    const bytes = files[String(address).replace(PLACE, "")];
    return bytes === undefined
      ? new Response(null, { status: 404 })
      : new Response(bytes, { headers: { "content-type": "application/wasm" } });
  };
  // Pyodide refuses workers that have importScripts, because there it could not load its program. It is loaded already.
  scope.importScripts = undefined;
  const { createPyodideModule } = scope;
  try {
    return await startPython(async (options) => {
      const given = { ...options, indexURL: PLACE, ...(createPyodideModule && { createPyodideModule }) };
      // Its types say of the names of Python's globals that there are some, and not how to read one.
      const python = (await loadPyodide(given)) as unknown as Pyodide;
      scope.fetch = ownFetch;
      return python;
    }, post);
  } catch (error) {
    post({ type: "broken", message: `Python did not start: ${String(error)}` });
    throw error;
  }
}
