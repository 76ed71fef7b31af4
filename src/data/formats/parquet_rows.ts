import { gunzipSync } from "fflate";
import type { AsyncBuffer, CompressionCodec, Compressors, FileMetaData, SchemaTree } from "hyparquet";
import { isRecord } from "../../formats/json.ts";
import type { Asset } from "../../host/host.ts";
import { AppError } from "../../lib/errors.ts";
import { wordsOf } from "../../lib/words_of.ts";
import type { RowSink } from "../row_problem.ts";

/** So many rows have all their columns: what they look like is told by these, and they are shown. */
const FIRST_ROWS = 100;

const MAGIC = [0x50, 0x41, 0x52, 0x31];
/** What the reader and fflate unpack themselves; datasets of the hub have SNAPPY. */
const COMMON = new Set<string>(["UNCOMPRESSED", "SNAPPY", "GZIP"]);
const RARE = new Set<string>(["ZSTD", "BROTLI", "LZ4", "LZ4_RAW"]);

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
  read(start: number, end: number, columns?: readonly string[]): Promise<Record<string, unknown>[]>;
}

/** Reads what a Parquet file says of itself. Throws `dataset-invalid` for a damaged file or a compression that is not read. */
export async function openParquet(asset: Asset): Promise<ParquetRows> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import("hyparquet");
  const { file, guarded } = fileOf(asset);
  const options = await guarded(async () => {
    const metadata = await parquetMetadataAsync(file);
    checkSizes(asset, metadata);
    checkColumns(asset, metadata, parquetSchema(metadata));
    return { file, metadata, useOffsetIndex: true, compressors: await compressorsFor(asset, metadata) };
  });
  const named = new Set(parquetSchema(options.metadata).children.map(({ element }) => element.name));
  return {
    groups: options.metadata.row_groups.map(({ num_rows }) => Number(num_rows)),
    read: (rowStart, rowEnd, columns) =>
      guarded(async () => {
        const own = columns?.filter((column) => named.has(column));
        const range = { ...options, rowStart, rowEnd, ...(own && { columns: own }) };
        return (await parquetReadObjects(range)).map(plainRow);
      }),
  };
}

/**
 * The rows of a Parquet file, one row group at a time, by ranges; groups without a row that is wanted are not read. Values
 * become what JSON has: whole numbers beyond 2^53 are texts, dates are ISO texts, bytes are lists. With `columnsInUse`, asked once
 * the first rows are read, the groups behind them are read for these columns alone. Throws `dataset-invalid` for a damaged file or a
 * compression that is not read.
 */
export async function readParquet(
  asset: Asset,
  sink: RowSink,
  columnsInUse?: () => readonly string[] | undefined,
): Promise<void> {
  const { groups, read } = await openParquet(asset);
  let columns: readonly string[] | undefined;
  let seen = 0;
  let groupStart = 0;
  for (const count of groups) {
    if (sink.full) return;
    const { from, to } = sink.wanted(count);
    if (from > 0) sink.pass(from, groupStart + from);
    const start = groupStart + from;
    const rows = from < to ? await read(start, groupStart + to, columns) : [];
    for (const [i, row] of rows.entries()) sink.row(start + i + 1, row);
    const before = seen;
    seen += rows.length;
    if (before < FIRST_ROWS && seen >= FIRST_ROWS) columns = columnsInUse?.();
    groupStart += count;
  }
}

interface GuardedFile {
  readonly file: AsyncBuffer;
  /** What the reader finds wrong is said in words, what the host says is passed on as it is. */
  guarded<T>(read: () => Promise<T>): Promise<T>;
}

function fileOf(asset: Asset): GuardedFile {
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
  const guarded = async <T>(read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (cause) {
      if (failure !== undefined) throw failure;
      if (cause instanceof AppError) throw cause;
      throw damaged(asset, wordsOf(cause, "its parts do not fit together"), cause);
    }
  };
  return { file, guarded };
}

function damaged(asset: Asset, why: string, cause?: unknown): AppError {
  return new AppError(
    "dataset-invalid",
    `${asset.name} cannot be read as Parquet: ${why}. It is damaged or was cut; get it again.`,
    { details: { file: asset.name }, cause },
  );
}

/** Rows that a byte may stand for: repeated values take little room, but rows of texts do not all repeat. */
const ROWS_PER_BYTE = 100n;

/** Sizes that the end of the file states are believed only as far as the file could hold them. */
function checkSizes(asset: Asset, { row_groups: groups }: FileMetaData): void {
  let rows = 0n;
  for (const { num_rows, columns } of groups) {
    rows += num_rows;
    if (num_rows < 0n || rows > BigInt(asset.size) * ROWS_PER_BYTE)
      throw damaged(asset, `it says that it has ${rows} rows in ${asset.size} bytes`);
    for (const { meta_data: column } of columns) {
      if (column === undefined) continue;
      const start = column.dictionary_page_offset ?? column.data_page_offset;
      const end = start + column.total_compressed_size;
      if (start < 0n || column.total_compressed_size < 0n || end > BigInt(asset.size))
        throw damaged(asset, "a column lies outside of the file");
    }
  }
}

/** The reader waits for the columns of its schema alone: of any other, a failure would be nobody's. */
function checkColumns(asset: Asset, { row_groups: groups }: FileMetaData, schema: SchemaTree): void {
  for (const { columns } of groups) {
    const seen = new Set<string>();
    for (const { meta_data: column } of columns) {
      const path = column?.path_in_schema ?? [];
      const leaf = path.reduce<SchemaTree | undefined>(
        (node, name) => node?.children.find(({ element }) => element.name === name),
        schema,
      );
      const key = path.join("\u0000");
      if (path.length === 0 || leaf === undefined || leaf.children.length > 0 || seen.has(key))
        throw damaged(asset, `its column ${path.join(".") || "without a name"} is not one of its schema`);
      seen.add(key);
    }
  }
}

async function compressorsFor(asset: Asset, { row_groups: groups }: FileMetaData): Promise<Compressors> {
  const used = new Set<CompressionCodec>(
    groups.flatMap(({ columns }) => columns.map((column) => column.meta_data?.codec ?? "SNAPPY")),
  );
  const other = [...used].find((codec) => !COMMON.has(codec) && !RARE.has(codec));
  if (other !== undefined) {
    throw new AppError(
      "dataset-invalid",
      `${asset.name} is compressed with ${other}, which is not read. Write it again in Python: df.to_parquet(..., compression='snappy').`,
      { details: { file: asset.name, compression: other } },
    );
  }
  const { snappyUncompress } = await import("hyparquet");
  const snappy: Unpack = (input, length) => {
    const output = new Uint8Array(length);
    snappyUncompress(input, output);
    return output;
  };
  const common = { SNAPPY: bounded(snappy, 64), GZIP: bounded((input) => gunzipSync(input), 1100) };
  if ([...used].every((codec) => COMMON.has(codec))) return common;
  const { decompressBrotli, decompressLz4, decompressLz4Raw, decompressZstd } = await import(
    "hyparquet-compressors"
  );
  return {
    ...common,
    ZSTD: bounded((input) => decompressZstd(input), 40_000),
    BROTLI: bounded(decompressBrotli, 40_000),
    LZ4: bounded(decompressLz4, 300),
    LZ4_RAW: bounded(decompressLz4Raw, 300),
  };
}

type Unpack = (input: Uint8Array, length: number) => Uint8Array;

/** Memory is set aside for what the file says a page unpacks to, so it may say no more than its bytes can become. */
function bounded(unpack: Unpack, ratio: number): Unpack {
  return (input, length) => {
    if (!(length >= 0 && length <= input.length * ratio + 1024))
      throw new Error(`a page of ${input.length} bytes says that it unpacks to ${length}`);
    return unpack(input, length);
  };
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
