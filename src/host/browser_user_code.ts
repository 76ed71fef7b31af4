import { AppError } from "../lib/errors.ts";
import javaScript from "../sandbox/browser_javascript.ts?script";
import python from "../sandbox/browser_python.ts?script";
import { openIsolated } from "../sandbox/isolated_function.ts";
import type { FromRunner } from "../sandbox/messages.ts";
import type { IsolateListener, Launch } from "../sandbox/place.ts";
import { wrapJavaScript } from "../sandbox/wrap_javascript.ts";
import type { UserCode, UserSource } from "./user_code.ts";

export interface BrowserUserCodeOptions {
  /** A port to the sandboxed frame that only the page can open (store/sandbox.ts). Asked for when the first code is opened. */
  readonly openPort: () => Promise<MessagePort>;
  /** Where the app is served, with a slash at the end; Python's files are in pyodide/ there. */
  readonly base: URL;
}

/** Runs a person's code in workers of a frame that has no network, no storage and no way to the page. */
export function createBrowserUserCode({ openPort, base }: BrowserUserCodeOptions): UserCode {
  const connect = once(async () => new Frame(await openPort()));
  const keepPython = once(async () => {
    const files = await fetchPython(base);
    (await connect()).keepPython(files);
  });
  return {
    open: async (source) => {
      // Code that does not parse is refused before anything is started for it.
      const program = await programOf(source);
      const frame = await connect();
      if (source.language === "python") await keepPython();
      return openIsolated(source, frame.launcher(program));
    },
  };
}

/** The text of a worker, or the parts of it that the frame keeps. */
interface Program {
  readonly parts: readonly (string | { readonly kept: string })[];
  /** The name of what it is given first. */
  readonly files?: string;
  /** Lines of the text before the person's first. */
  readonly linesBefore: number;
  readonly lines: number;
}

async function programOf(source: UserSource): Promise<Program> {
  if (source.language === "python") {
    return { parts: [{ kept: PROGRAM }, python], files: FILES, linesBefore: 0, lines: 0 };
  }
  const wrapped = await wrapJavaScript(source);
  const before = `${javaScript}\nprogram.start(`;
  const linesBefore = before.split("\n").length - 1 + wrapped.linesBefore;
  const lines = source.code.split("\n").length;
  const name = JSON.stringify(source.name ?? null);
  return { parts: [`${before}${wrapped.text}, ${name}, ${linesBefore}, ${lines});`], linesBefore, lines };
}

interface FromFrame {
  readonly id: number;
  readonly message?: FromRunner;
  /** Instead of a message: what went wrong outside of the runner, and where in the worker's text. */
  readonly error?: string;
  readonly line?: number;
}

/** The worker's side of the frame: starts workers there, and tells each of their listeners what they say. */
class Frame {
  readonly #port: MessagePort;
  readonly #listeners = new Map<number, (answer: FromFrame) => void>();
  #nextId = 0;

  constructor(port: MessagePort) {
    this.#port = port;
    port.addEventListener("message", ({ data }: MessageEvent<FromFrame>) =>
      this.#listeners.get(data.id)?.(data),
    );
    port.start();
  }

  keepPython({ program, files }: PythonFiles): void {
    this.#port.postMessage({ command: "keep", name: PROGRAM, value: program });
    const bytes = Object.values(files);
    this.#port.postMessage({ command: "keep", name: FILES, value: files }, bytes);
  }

  launcher(program: Program): Launch {
    return (listener) => {
      const id = this.#nextId++;
      this.#listeners.set(id, (answer) => pass(answer, program, listener));
      const { parts, files } = program;
      this.#port.postMessage({ command: "start", id, parts, files });
      return {
        post: (message) => this.#port.postMessage({ command: "post", id, message }),
        kill: () => {
          this.#listeners.delete(id);
          this.#port.postMessage({ command: "stop", id });
        },
      };
    };
  }
}

function pass(answer: FromFrame, program: Program, listener: IsolateListener): void {
  if (answer.message !== undefined) {
    listener.message(explained(answer.message));
    return;
  }
  const line = Number(answer.line) - program.linesBefore;
  const reason = String(answer.error).replace(/^Uncaught /, "");
  if (line >= 1 && line <= program.lines) listener.ended(reason, line);
  else listener.ended(reason);
}

/** How browsers say that a request was refused; none of them says why. */
const NO_NETWORK = /Failed to fetch|NetworkError|Load failed/;

function explained(message: FromRunner): FromRunner {
  if (message?.type !== "fault" || !NO_NETWORK.test(message.fault?.message)) return message;
  const why = "Code cannot use the network here, so that your data stays on this machine";
  return { ...message, fault: { ...message.fault, message: `${message.fault.message}. ${why}` } };
}

const PROGRAM = "python program";
const FILES = "python files";

interface PythonFiles {
  /** Pyodide's program, as a script that defines createPyodideModule. */
  readonly program: string;
  readonly files: Readonly<Record<string, ArrayBuffer>>;
}

async function fetchPython(base: URL): Promise<PythonFiles> {
  const folder = new URL("pyodide/", base);
  const names = ["pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip"] as const;
  const [text, wasm, library] = await Promise.all(names.map((name) => fetchFile(new URL(name, folder))));
  if (!text || !wasm || !library) throw new Error("Three files were asked for.");
  return {
    program: asScript(new TextDecoder().decode(text)),
    files: { "pyodide.asm.wasm": wasm, "python_stdlib.zip": library },
  };
}

async function fetchFile(url: URL): Promise<ArrayBuffer> {
  try {
    const response = await fetch(url);
    if (response.ok) return await response.arrayBuffer();
    throw new Error(`status ${response.status}`);
  } catch (cause) {
    throw new AppError(
      "network",
      `Python's files (13 MB, fetched once) could not be loaded: ${url.pathname}. Connect to the network for the first use, or write the function in JavaScript.`,
      { cause },
    );
  }
}

/**
 * Pyodide's module as a script: frames without an origin cannot start workers from modules. Throws when the file has another
 * form than that of the version in package.json.
 */
export function asScript(module: string): string {
  const script = module
    .replace(
      /export default _createPyodideModule;\s*$/,
      "globalThis.createPyodideModule = _createPyodideModule;\n",
    )
    .replaceAll("import.meta.url", '"https://pyodide.invalid/pyodide.asm.mjs"');
  if (!script.includes("globalThis.createPyodideModule") || script.includes("import.meta")) {
    throw new AppError("file-invalid", "pyodide.asm.mjs has another form than expected. Reload the page.");
  }
  return script;
}

/** Calls `work` once, and again only after it has failed. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work();
    result.catch(() => {
      result = undefined;
    });
    return result;
  };
}
