import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { AppError, invariant } from "../lib/errors.ts";
import {
  describeRecord,
  MAX_RECORD_BYTES,
  type StoredRecord,
  verifyRecord,
} from "../storage/record_manifest.ts";
import type { CheckpointRecord, CheckpointStore } from "./host.ts";
import { isErrno, kindOf } from "./node_files.ts";

/** Names every record of a complete checkpoint; written last. */
const MANIFEST = "records.json";

/**
 * Checkpoints as folders RUN/checkpoint-STEP with a file for each record. A checkpoint is written to a folder of another
 * name, brought to disk, and then renamed: it is there as a whole or not at all.
 */
export function nodeCheckpoints(runDir: (run: string) => string): CheckpointStore {
  const final = (run: string, step: number) => join(runDir(run), `checkpoint-${step}`);
  const aside = (run: string, step: number) => join(runDir(run), `.checkpoint-${step}.old`);
  /** A swap that was cut short leaves the old checkpoint standing aside; the next save ends it, readers only look. */
  const place = async (run: string, step: number) =>
    (await kindOf(final(run, step))) === undefined && (await kindOf(aside(run, step))) !== undefined
      ? aside(run, step)
      : final(run, step);
  return {
    save: async (run, step, records) => {
      await mkdir(runDir(run), { recursive: true });
      await cleanUp(runDir(run));
      const temporary = join(runDir(run), `.checkpoint-${step}.new`);
      try {
        await mkdir(temporary);
        await writeRecords(temporary, records);
        await swap(temporary, final(run, step), aside(run, step));
      } catch (cause) {
        await rm(temporary, { recursive: true, force: true });
        throw diskFull(cause, final(run, step));
      }
    },
    steps: async (run) => {
      if ((await kindOf(runDir(run))) !== "folder") return [];
      const steps = new Set<number>();
      for (const name of await readdir(runDir(run))) {
        const [, step, old] = /^(?:checkpoint-(\d+)|\.checkpoint-(\d+)\.old)$/.exec(name) ?? [];
        const number = step ?? old;
        if (number === undefined) continue;
        if ((await kindOf(join(runDir(run), name, MANIFEST))) === "file") steps.add(Number(number));
      }
      return [...steps].sort((a, b) => a - b);
    },
    load: async (run, step, record) => {
      const folder = await place(run, step);
      const stored = (await readManifest(folder)).find(({ name }) => name === record);
      if (stored === undefined) return undefined;
      const file = join(folder, record);
      const bytes = (await kindOf(file)) === "file" ? new Uint8Array(await readFile(file)) : undefined;
      return verifyRecord(folder, stored, bytes);
    },
    remove: async (run, step) => {
      // The manifest goes first: a removal cut short leaves something that is never listed.
      for (const folder of [aside(run, step), final(run, step)]) {
        await rm(join(folder, MANIFEST), { force: true });
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

async function writeRecords(folder: string, records: AsyncIterable<CheckpointRecord>): Promise<void> {
  const stored: StoredRecord[] = [];
  for await (const record of records) {
    invariant(/^[\w-][\w.-]*$/.test(record.name) && record.name !== MANIFEST, `record name ${record.name}`);
    invariant(record.bytes.length <= MAX_RECORD_BYTES, `record ${record.name} is at most 64 MB`);
    await writeSynced(join(folder, record.name), record.bytes);
    stored.push(await describeRecord(record));
  }
  await writeSynced(
    join(folder, MANIFEST),
    new TextEncoder().encode(JSON.stringify({ format: 1, records: stored }, null, 1)),
  );
  await syncFolder(folder);
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, "w");
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes names durable. Windows has no such call and needs none. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function swap(temporary: string, final: string, old: string): Promise<void> {
  const replaces = (await kindOf(final)) === "folder";
  if (replaces) await rename(final, old);
  await rename(temporary, final);
  await syncFolder(resolve(final, ".."));
  await rm(old, { recursive: true, force: true });
}

/**
 * Ends what a killed process began: half-written folders go; a checkpoint that stands aside comes back, or goes if its
 * successor is in place. Only the process that writes the run may do this.
 */
async function cleanUp(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, final = "", state] = /^\.(checkpoint-\d+)\.(new|old)$/.exec(name) ?? [];
    const returns = state === "old" && (await kindOf(join(folder, final))) === undefined;
    if (returns) await rename(join(folder, name), join(folder, final));
    else if (state) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function readManifest(folder: string): Promise<readonly StoredRecord[]> {
  const path = join(folder, MANIFEST);
  try {
    const { records }: { records: readonly StoredRecord[] } = JSON.parse(await readFile(path, "utf8"));
    return records;
  } catch (cause) {
    throw new AppError(
      "checkpoint-invalid",
      `${folder} is no complete checkpoint: ${MANIFEST} cannot be read.`,
      {
        details: { checkpoint: folder },
        cause,
      },
    );
  }
}

function diskFull(cause: unknown, path: string): unknown {
  if (!isErrno(cause, "ENOSPC", "EDQUOT", "EFBIG")) return cause;
  return new AppError(
    "storage-full",
    `No room on the disk for ${path}. Earlier checkpoints are untouched; free some space or choose another folder.`,
    { details: { path }, cause },
  );
}
