import type { FileProgress } from "../host/hub_connection.ts";
import { hubFromEnvironment } from "../host/node.ts";
import { formatBytes } from "../lib/format_bytes.ts";

/** How often a terminal's line is written anew, and an object with --json; a log gets a line for each of so many parts. */
const LINE_MS = 100;
const OBJECT_MS = 1000;
const PARTS = 10;
/** Smaller files are here before anybody could read of them, in bytes. */
const SMALL = 1024 * 1024;

/** Where a download is told: a line that is written anew, lines one below the other, or an object a line. */
export interface DownloadTarget {
  readonly kind: "terminal" | "log" | "json";
  write(text: string): void;
  now(): number;
}

export interface Downloads {
  readonly report: (progress: FileProgress) => void;
  /** What is kept of a file that has not arrived whole, in words; undefined when there is none. Ends a terminal's line. */
  unfinished(): string | undefined;
}

interface Going {
  readonly id: string;
  readonly began: number;
  readonly from: number;
  done: number;
  size: number;
  told: number;
  part: number;
}

/** Tells how far the large files of hubs are, one line a file. */
export function createDownloads({ kind, write, now }: DownloadTarget): Downloads {
  const files = new Map<string, Going>();
  let isOpen = false;
  const due = (file: Going, at: number): boolean => {
    if (file.done === file.size) return true;
    if (kind === "log") return Math.floor((PARTS * file.done) / file.size) > file.part;
    return at - file.told >= (kind === "json" ? OBJECT_MS : LINE_MS);
  };
  const tell = (path: string, file: Going, at: number): void => {
    file.told = at;
    file.part = Math.floor((PARTS * file.done) / file.size);
    const { id, done, size } = file;
    isOpen = kind === "terminal" && done < size;
    if (kind === "json") write(`${JSON.stringify({ download: id, file: path, done, total: size })}\n`);
    else if (kind === "log") write(`${lineOf(path, file, at)}\n`);
    else write(`\r${lineOf(path, file, at)}\x1b[K${isOpen ? "" : "\n"}`);
  };
  return {
    report: ({ repository, path, done, size }) => {
      if (size < SMALL) return;
      const at = now();
      const key = `${repository.key} ${path}`;
      const before = files.get(key);
      // What is here was told when it arrived.
      if (before?.done === size || (before === undefined && done === size)) return;
      const file = before ?? {
        ...{ id: repository.id, began: at, from: done, done, size },
        ...{ told: Number.NEGATIVE_INFINITY, part: -1 },
      };
      file.done = done;
      files.set(key, file);
      if (due(file, at)) tell(path, file, at);
    },
    unfinished: () => {
      if (isOpen) write("\n");
      isOpen = false;
      const parts = [...files.values()].filter(({ done, size }) => done < size && done > 0);
      if (parts.length === 0) return undefined;
      const names = parts.map(
        ({ id, done, size }) => `${formatBytes(done)} of ${formatBytes(size)} of ${id}`,
      );
      return `What arrived is kept: ${names.join(", ")}. Run the same command again, and it goes on from there.`;
    },
  };
}

/** "Qwen/Qwen3-0.6B model.safetensors: 12.0 MB of 1.5 GB, 8.1 MB/s, 184 s left" */
function lineOf(path: string, { id, began, from, done, size }: Going, at: number): string {
  const amount = `${id} ${path}: ${formatBytes(done)} of ${formatBytes(size)}`;
  const rate = at > began ? (1000 * (done - from)) / (at - began) : 0;
  if (rate <= 0) return amount;
  const left = done < size ? `, ${Math.ceil((size - done) / rate)} s left` : "";
  return `${amount}, ${formatBytes(rate)}/s${left}`;
}

/** The hub that the environment names, which tells of what it downloads. */
export function toldHub({ report }: Downloads): ReturnType<typeof hubFromEnvironment> {
  const hub = hubFromEnvironment();
  return hub && { ...hub, onProgress: report };
}
