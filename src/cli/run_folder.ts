import { appendFileSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { LogRow } from "../formats/trainer_state.ts";
import type { Asset } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { writeError } from "./file_errors.ts";

export const METRICS = "metrics.jsonl";
export const SAMPLES = "samples.jsonl";
export const ROLLOUTS = "rollouts.jsonl";
export const CONFIG = "training_config.yaml";

/** Names that an export may write: a folder that has one of them belongs to something else than a run that begins. */
export const EXPORTED =
  /^(README\.md|trainer_state\.json|adapter_config\.json|(generation_)?config\.json|.*\.safetensors(\.index\.json)?|.*\.jinja|tokenizer.*|special_tokens_map\.json|added_tokens\.json|vocab\.json|merges\.txt)$/;
const SLICE = 16 * 2 ** 20;

/** Throws `config-invalid` when a new run in `dir` would overwrite something. `config` is the file that it was asked with. */
export async function checkUnused(dir: string, config: string | undefined): Promise<void> {
  const files = await listed(dir);
  const taken =
    config !== undefined && resolve(config) === resolve(dir, CONFIG)
      ? CONFIG
      : files.find((name) => EXPORTED.test(name));
  if (taken === undefined) return;
  throw new AppError(
    "config-invalid",
    `${dir} already holds ${taken}, which this run would overwrite. Give another folder with --output DIR.`,
    { details: { key: "output_dir", file: taken } },
  );
}

/** Rows of a log up to the checkpoint at `step`: what came after it is trained again. A line cut short by a crash is left out. */
export async function rowsUntil(dir: string, file: string, step: number): Promise<LogRow[]> {
  if (!(await listed(dir)).includes(file)) return [];
  const lines = (await readFile(join(dir, file), "utf8")).split("\n");
  return lines.flatMap(parseRow).filter((row) => Number(row["step"]) <= step);
}

function parseRow(line: string): LogRow[] {
  try {
    return line === "" ? [] : [JSON.parse(line) as LogRow];
  } catch {
    return [];
  }
}

async function listed(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort();
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return [];
    throw writeError(cause, dir);
  }
}

/** Throws `config-invalid` when there can be no such folder. */
export async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
  } catch (cause) {
    throw writeError(cause, dir);
  }
}

/** A whole file, or none: written aside, brought to disk, renamed. Throws `storage-full`, `config-invalid`. */
export async function writeWhole(path: string, content: string | Asset, next?: string): Promise<void> {
  const aside = `${path}.new`;
  try {
    const file = await open(aside, "w");
    try {
      if (typeof content === "string") await file.writeFile(content);
      else {
        for (let start = 0; start < content.size; start += SLICE)
          await file.writeFile(await content.read(start, Math.min(content.size, start + SLICE)));
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (cause) {
    await rm(aside, { force: true });
    throw writeError(cause, path, next);
  }
}

export function toLines(rows: readonly unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row, nonFinite)}\n`).join("");
}

/** Adds a row at once, so that a full disk stops the run at the step that it happens in. Throws `storage-full`. */
export function appendRow(dir: string, file: string, row: unknown): void {
  const path = join(dir, file);
  try {
    appendFileSync(path, toLines([row]));
  } catch (cause) {
    throw writeError(cause, path);
  }
}

/** JSON has no NaN: it is written as text, so that it is not lost. */
export function nonFinite(_: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
