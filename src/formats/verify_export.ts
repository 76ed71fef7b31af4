import type { Asset, Folder } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { ADAPTER_WEIGHTS, readAdapter } from "./adapter.ts";
import { readGguf } from "./gguf.ts";
import { openModelFolder } from "./model_folder.ts";
import { readSafetensors } from "./safetensors.ts";

/** Files up to this are compared byte for byte; of larger ones the header, both ends and places between. */
const WHOLE_BYTES = 64 * 2 ** 20;
const SPOT_BYTES = 64 * 1024;
const SPOTS = 16;

/**
 * Reads back what was written and compares it with what was to be written: every file and its size, the bytes (of large files
 * both ends and places between), every safetensors header, the adapter's keys against its configuration, the index against its
 * shards. Throws `export-invalid` naming what differs.
 */
export async function verifyExport(written: Folder, files: readonly Asset[]): Promise<void> {
  try {
    for (const file of files) await verifyFile(written, file);
    const names = new Set(files.map(({ name }) => name));
    if (names.has(ADAPTER_WEIGHTS)) await readAdapter(written);
    if (names.has("model.safetensors") || names.has("model.safetensors.index.json"))
      await openModelFolder(written);
  } catch (cause) {
    throw cause instanceof AppError && cause.code === "export-invalid"
      ? cause
      : invalid(String(cause), cause);
  }
}

async function verifyFile(written: Folder, file: Asset): Promise<void> {
  const found = await written.open(file.name);
  if (!found) throw invalid(`${file.name} is not in ${written.name}`);
  if (found.size !== file.size)
    throw invalid(`${file.name} has ${found.size} bytes where ${file.size} were written`);
  for (const [start, end] of placesIn(file.size)) {
    const [is, should] = [await found.read(start, end), await file.read(start, end)];
    const at = should.findIndex((byte, i) => is[i] !== byte);
    if (at >= 0) throw invalid(`${file.name} differs at byte ${start + at}`);
  }
  if (file.name.endsWith(".safetensors")) await readSafetensors(found);
  if (file.name.endsWith(".gguf")) await readGguf(found);
}

function placesIn(size: number): (readonly [number, number])[] {
  if (size <= WHOLE_BYTES) return slices(size);
  const stride = (size - SPOT_BYTES) / (SPOTS - 1);
  return Array.from({ length: SPOTS }, (_, i) => {
    const start = Math.floor(i * stride);
    return [start, Math.min(size, start + SPOT_BYTES)] as const;
  });
}

function slices(size: number): (readonly [number, number])[] {
  const step = 4 * 2 ** 20;
  return Array.from(
    { length: Math.ceil(size / step) },
    (_, i) => [i * step, Math.min(size, (i + 1) * step)] as const,
  );
}

function invalid(why: string, cause?: unknown): AppError {
  return new AppError(
    "export-invalid",
    `What was saved was read back and is not what it should be: ${why}. Nothing is lost: the run and its checkpoints are as they were. Save it again, or to another place.`,
    { cause },
  );
}
