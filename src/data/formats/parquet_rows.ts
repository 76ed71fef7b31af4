import { gunzipSync } from "fflate";
import type { Compressors, FileMetaData } from "hyparquet";
import { isRecord } from "../../formats/json.ts";
import type { Asset } from "../../host/host.ts";
import { AppError } from "../../lib/errors.ts";
import type { RowSink } from "../row_problem.ts";

const MAGIC = [0x50, 0x41, 0x52, 0x31];
/** Compressions that are read; datasets of the hub have SNAPPY. */
const PACKED = new Set(["UNCOMPRESSED", "SNAPPY", "GZIP"]);

const COMPRESSORS: Compressors = { GZIP: (input) => gunzipSync(input) };

/** Whether a file is Parquet by its first bytes, whatever it is called. */
export async function isParquet(asset: Asset): Promise<boolean> {
  const head = await asset.read(0, Math.min(4, asset.size));
  return head.length === 4 && MAGIC.every((byte, i) => head[i] === byte);
}

/** A Parquet file that is read by ranges of rows. */
export interface ParquetRows {
  /** Rows of each row group. */
  readonly groups: readonly number[];
  /**
   * Rows [start, end), counted through all groups. Only their pages are read where the file says where its pages are
   * (an offset index); else their row group is.
   */
  read(start: number, end: number): Promise<Record<string, unknown>[]>;
}

/** Reads what a Parquet file says of itself. Throws `dataset-invalid` for a damaged file or a compression that is not read. */
export async function openParquet(asset: Asset): Promise<ParquetRows> {
  const { parquetMetadataAsync, parquetReadObjects } = await import("hyparquet");
  let failure: unknown;
  const file = {
    byteLength: asset.size,
    slice: async (start: number, end?: number) => {
      try {
        const [first, last] = [start < 0 ? asset.size + start : start, end ?? asset.size];
        // A copy of its own: the bytes may be a window of a larger buffer.
        return new Uint8Array(await asset.read(first, Math.min(last, asset.size))).buffer;
      } catch (cause) {
        // The reader wraps what it is given; the host's own words are better.
        failure = cause;
        throw cause;
      }
    },
  };
  const reading = async <T>(read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (cause) {
      if (failure !== undefined) throw failure;
      if (cause instanceof AppError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new AppError(
        "dataset-invalid",
        `${asset.name} cannot be read as Parquet: ${why}. It is damaged or was cut; get it again.`,
        { details: { file: asset.name }, cause },
      );
    }
  };
  const metadata = await reading(async () => {
    const found = await parquetMetadataAsync(file);
    checkCompression(asset, found);
    return found;
  });
  const options = { file, metadata, compressors: COMPRESSORS, useOffsetIndex: true };
  return {
    groups: metadata.row_groups.map(({ num_rows }) => Number(num_rows)),
    read: (rowStart, rowEnd) =>
      reading(async () => (await parquetReadObjects({ ...options, rowStart, rowEnd })).map(plainRow)),
  };
}

/**
 * The rows of a Parquet file, one row group at a time, by ranges. Values become what JSON has: whole numbers beyond 2^53 are
 * texts, dates are ISO texts, bytes are lists. Throws `dataset-invalid` for a damaged file or a compression that is not read.
 */
export async function readParquet(asset: Asset, sink: RowSink): Promise<void> {
  const { groups, read } = await openParquet(asset);
  let rowStart = 0;
  for (const rows of groups) {
    if (sink.full) return;
    for (const [i, row] of (await read(rowStart, rowStart + rows)).entries()) {
      if (!sink.full) sink.row(rowStart + i + 1, row);
    }
    rowStart += rows;
  }
}

function checkCompression(asset: Asset, { row_groups: groups }: FileMetaData): void {
  const used = groups.flatMap(({ columns }) => columns.map((column) => column.meta_data?.codec ?? "SNAPPY"));
  const other = used.find((codec) => !PACKED.has(codec));
  if (other === undefined) return;
  throw new AppError(
    "dataset-invalid",
    `${asset.name} is compressed with ${other}; Parquet files are read with SNAPPY, GZIP or without compression. Write it again in Python: df.to_parquet(..., compression='snappy').`,
    { details: { file: asset.name, compression: other } },
  );
}

const plainRow = (row: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]));

function plain(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array, plain);
  if (Array.isArray(value)) return value.map(plain);
  return isRecord(value) ? plainRow(value) : value;
}
