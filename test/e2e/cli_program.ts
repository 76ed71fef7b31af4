import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const MODEL = join(ROOT, "public/models/aligntune-tiny");

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of standard output as JSON. Throws when one of them is none. */
  lines(): Record<string, unknown>[];
}

/** The command line as another machine gets it, in a folder of its own, where the checkout's builds do not reach it. */
export interface Program {
  /** Where it was copied to, and where it runs. */
  readonly folder: string;
  /** Runs it to its end. `room`: the disk is full after so many bytes. */
  run(args: readonly string[], room?: number, env?: Readonly<Record<string, string>>): Promise<Ended>;
  /** Runs the program that compares the engine with recorded numbers. */
  parity(args: readonly string[]): Promise<Ended>;
  /** Runs it until a line of standard output that `when` accepts, then sends the signal; resolves when it has ended. */
  runAndSignal(
    args: readonly string[],
    signal: NodeJS.Signals,
    when: (line: Record<string, unknown>) => boolean,
  ): Promise<Ended>;
  /** Writes a file below the folder, and returns its path. */
  write(path: string, content: string | Uint8Array): string;
  remove(): void;
}

/** Builds dist/node if it is stale, and copies what the command line needs: dist/node, public and node_modules/webgpu. */
export function copyProgram(hub?: string): Program {
  const built = spawnSync(process.execPath, [join(ROOT, "scripts/run_node.mjs"), "cli", "recipes"], {
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error(`The command line was not built: ${built.stderr}`);
  const folder = mkdtempSync(join(tmpdir(), "aligntune-cli-"));
  cpSync(join(ROOT, "dist/node"), join(folder, "dist/node"), { recursive: true });
  cpSync(join(ROOT, "public"), join(folder, "public"), { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(join(ROOT, "node_modules/webgpu"), join(folder, "node_modules/webgpu"), "junction");
  const start = (
    args: readonly string[],
    room?: number,
    bundle = "cli",
    env: Readonly<Record<string, string>> = {},
  ): ChildProcess => {
    const disk = room === undefined ? [] : ["--import", new URL("full_disk.mjs", import.meta.url).href];
    return spawn(process.execPath, [...disk, join(folder, `dist/node/${bundle}.mjs`), ...args], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      // No test asks the real hub; `hub` is one on this machine.
      env: {
        ...process.env,
        ...(hub === undefined
          ? { HF_HUB_OFFLINE: "1" }
          : { HF_ENDPOINT: hub, HF_TOKEN: "", HF_HUB_OFFLINE: "" }),
        HF_HUB_CACHE: join(folder, "hub"),
        FULL_DISK_AFTER: String(room),
        ...env,
      },
    });
  };
  return {
    folder,
    run: (args, room, env) => ended(start(args, room, "cli", env)),
    parity: (args) => ended(start(args, undefined, "parity")),
    runAndSignal: (args, signal, when) => {
      const child = start(args);
      let sent = false;
      return ended(child, (line) => {
        if (!sent && when(line)) sent = child.kill(signal);
      });
    },
    write: (path, content) => {
      const full = join(folder, path);
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, content);
      return full;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function ended(
  child: ChildProcess,
  onLine: (line: Record<string, unknown>) => void = () => {},
): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  let seen = 0;
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString("utf8");
    const whole = stdout.slice(seen, stdout.lastIndexOf("\n") + 1);
    seen += whole.length;
    for (const line of whole.split("\n")) if (line.startsWith("{")) onLine(JSON.parse(line));
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const lines = () =>
        stdout
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line));
      resolve({ code, stdout, stderr, lines });
    });
  });
}

/** A safetensors file with any header: `length` is what its first eight bytes say. */
export function safetensors(header: unknown, bytes: number, length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + bytes);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

/** A copy of the embedded model below `program`, with some of its files replaced. */
export function modelWith(
  program: Program,
  name: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): string {
  const folder = join(program.folder, name);
  cpSync(MODEL, folder, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
  return folder;
}

/** config.json of the embedded model, changed. */
export function configWith(changes: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...JSON.parse(readFileSync(join(MODEL, "config.json"), "utf8")), ...changes });
}

export function exists(program: Program, path: string): boolean {
  return existsSync(join(program.folder, path));
}
