import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import type { Readable, Writable } from "node:stream";
import { AppError, invariant } from "../lib/errors.ts";
import { openIsolated } from "../sandbox/isolated_function.ts";
import type { FromRunner } from "../sandbox/messages.ts";
import child from "../sandbox/node_child.ts?script";
import type { IsolateListener, Launch } from "../sandbox/place.ts";
import { PYODIDE_VERSION } from "../sandbox/python.ts";
import { wrapJavaScript } from "../sandbox/wrap_javascript.ts";
import type { UserCode, UserSource } from "./user_code.ts";

/**
 * Runs a person's code in a child process, which can be killed whatever it does. That is all it is kept from: it runs with
 * the rights of the person who started the program, and can read files and use the network.
 */
export function createNodeUserCode(): UserCode {
  return { open: async (source) => openIsolated(source, childLauncher(await childProgram(source))) };
}

/** What a child is told first: the program to run, and where Python is. */
interface ChildStart {
  readonly text: string;
  readonly file: string;
  /** Lines of the text before the person's first, so that lines in stacks are theirs. */
  readonly linesBefore: number;
  readonly pyodide: string | null;
}

async function childProgram(source: UserSource): Promise<ChildStart> {
  const file = source.title.replace(/[\r\n():]/g, " ");
  if (source.language === "python") {
    const text = `${child}\n(io, importModule, start) => importModule(start.pyodide).then(
      ({ loadPyodide }) => program.startPythonChild(io, loadPyodide, start.folder))`;
    return { text, file, linesBefore: 0, pyodide: findPyodide() };
  }
  const wrapped = await wrapJavaScript(source);
  const before = `${child}\n(io, importModule, start) => program.startJavaScript(io, `;
  const name = JSON.stringify(source.name ?? null);
  return {
    text: `${before}${wrapped.text}, ${name}, start.file)`,
    file,
    linesBefore: before.split("\n").length - 1 + wrapped.linesBefore,
    pyodide: null,
  };
}

/** Throws `user-code-invalid` when Python is not installed beside the program. */
function findPyodide(): string {
  try {
    return createRequire(import.meta.url).resolve("pyodide/pyodide.mjs");
  } catch (cause) {
    throw new AppError(
      "user-code-invalid",
      `Python code needs the npm package pyodide, which is not beside ${import.meta.url}. Install it there with "npm install pyodide@${PYODIDE_VERSION}", or write the function in JavaScript.`,
      { cause },
    );
  }
}

/**
 * The first lines of a child. Requests come as JSON lines on its input. Answers leave by a pipe of their own, and are written
 * before `post` returns: code that then loops for ever has been announced.
 */
const BOOT = `
const fs = require("node:fs");
const vm = require("node:vm");
const { pathToFileURL } = require("node:url");
const { dirname } = require("node:path");
const options = (file, lineOffset) => ({
  filename: file, lineOffset, importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
const send = (message) => {
  const bytes = Buffer.from(JSON.stringify(message) + "\\n");
  for (let done = 0; done < bytes.length; ) {
    try { done += fs.writeSync(3, bytes, done); } catch (error) { if (error.code !== "EAGAIN") throw error; }
  }
};
// Ctrl-C in a terminal reaches the child too; its parent finishes the step, which may need the child.
process.on("SIGINT", () => {});
const listeners = [];
const waiting = [];
const io = {
  post: send,
  onRequest: (listener) => { listeners.push(listener); for (const request of waiting.splice(0)) listener(request); },
};
let started = false;
require("node:readline").createInterface({ input: process.stdin, crlfDelay: Infinity }).on("line", (line) => {
  const message = JSON.parse(line);
  if (started) return listeners.length > 0 ? listeners[0](message) : waiting.push(message);
  started = true;
  let run;
  try {
    run = vm.runInThisContext(message.text, options(message.file, -message.linesBefore));
  } catch (error) {
    const found = /:(\\d+)\\n/.exec(error.stack);
    return send({ type: "invalid", message: String(error), line: found ? Number(found[1]) : undefined });
  }
  const folder = message.pyodide && dirname(message.pyodide);
  const start = { file: message.file, folder, pyodide: message.pyodide && pathToFileURL(message.pyodide).href };
  Promise.resolve(run(io, (address) => import(address), start)).catch((error) =>
    send({ type: "broken", message: String(error) }),
  );
});
`;

/** The few variables that programs need to run at all; keys and tokens of the person stay out of what the code can see by chance. */
const KEPT_VARIABLES = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "TEMP", "TMP", "SystemRoot"];

/** Children that are alive, to be ended with this process. */
const alive = new Set<ChildProcess>();
let watching = false;

function endWithProcess(process_: ChildProcess): void {
  alive.add(process_);
  process_.once("exit", () => alive.delete(process_));
  if (watching) return;
  watching = true;
  process.on("exit", () => {
    for (const each of alive) each.kill("SIGKILL");
  });
}

function childLauncher(start: ChildStart): Launch {
  return (listener) => {
    const env = Object.fromEntries(
      KEPT_VARIABLES.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
    );
    const running = spawn(process.execPath, ["-e", BOOT], { env, stdio: ["pipe", "pipe", "pipe", "pipe"] });
    endWithProcess(running);
    const input = running.stdin;
    const answers = running.stdio[3] as Readable | null;
    invariant(answers !== null && input !== null, "a child has its pipes");
    listen(running, answers, listener);
    // A child that waits for a request keeps nobody waiting; while one is answered, the watch on it does.
    for (const part of [running, input, running.stdout, running.stderr, answers]) unref(part);
    const post = (message: unknown) => void input.write(`${JSON.stringify(message)}\n`);
    post(start);
    return { post, kill: () => void running.kill("SIGKILL") };
  };
}

function unref(part: ChildProcess | Readable | Writable | null): void {
  (part as { unref?: () => void } | null)?.unref?.();
}

function listen(running: ChildProcess, answers: Readable, listener: IsolateListener): void {
  onLines(answers, (line) => listener.message(JSON.parse(line) as FromRunner));
  // What is written past the console, and what Node itself says.
  for (const stream of [running.stdout, running.stderr]) {
    if (stream) onLines(stream, (text) => listener.message({ type: "log", text }));
  }
  // A pipe to a child that is gone says so here; the exit says why.
  running.stdin?.on("error", () => {});
  running.once("error", (error) => listener.ended(`the child process did not start: ${error.message}`));
  running.once("close", (code, signal) => {
    const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
    listener.ended(`the process in which it ran ended (${how})`);
  });
}

/** Calls back for each complete line. */
function onLines(stream: Readable, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") take(line);
  });
}
