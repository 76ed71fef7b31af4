import type { Asset } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { addDelimitedRecord, cellsOf, guessDelimiter, readHeader } from "./formats/delimited_rows.ts";
import { addJsonLine } from "./formats/json_rows.ts";
import { isParquet, openParquet } from "./formats/parquet_rows.ts";
import { detectEncoding, type Encoding } from "./formats/text_lines.ts";
import {
  delimitedScanner,
  lineScanner,
  type OnRecord,
  type RecordScanner,
  type ScanStart,
} from "./record_scanner.ts";
import type { RowSink } from "./row_problem.ts";
import { type FileFormat, guessFormat } from "./rows.ts";

/** Rows of a block at most; a row group of Parquet larger than its number is cut. */
export const BLOCK_ROWS = 512;
export const PARQUET_BLOCK_ROWS = 1024;
/** A block of text ends behind this many bytes, however few rows it has. */
const BLOCK_BYTES = 4 * 1024 * 1024;
/** A row of more bytes than this is no row: a quote was opened and never closed, or the file has no lines. */
const ROW_BYTES = 64 * 1024 * 1024;
const CHUNK = 4 * 1024 * 1024;

/** Some rows of a file, and how to read them. */
export interface Block {
  readonly rows: number;
  read(sink: RowSink): Promise<void>;
}

/** How a file is to be read. */
export interface Head {
  readonly format: FileFormat;
  readonly encoding: Encoding | undefined;
  readonly delimiter: string | undefined;
}

/** One file of a dataset, in blocks. */
export interface Part extends Head {
  readonly blocks: readonly Block[];
  /** Lines are counted on from here in the next file. */
  readonly lastLine: number;
}

/** The blocks of one file, by its format. Throws `dataset-invalid` for a file that has to be read as a whole. */
export async function partBlocks(asset: Asset, given: FileFormat | undefined, limit: number): Promise<Part> {
  if (given === "parquet" || (given === undefined && (await isParquet(asset))))
    return parquetBlocks(asset, limit);
  const { encoding, mark } = await detectEncoding(asset);
  const format = given ?? (await guessFormat(asset));
  const start = { at: mark, line: 1 };
  switch (format) {
    case "jsonl":
    case "text": {
      const scan = (from: ScanStart, onRecord: OnRecord) => lineScanner(from, encoding, onRecord);
      const add = format === "jsonl" ? addJsonLine : addTextLine;
      return {
        ...{ format, encoding, delimiter: undefined },
        ...(await scanBlocks(asset, { scan, start, limit, add: textAdder(encoding, add) })),
      };
    }
    case "csv":
    case "tsv":
      return delimitedBlocks(asset, { format, encoding, start, limit });
    default:
      throw cannotStream(
        asset,
        "is a JSON list, which has to be read as a whole",
        "Save it as JSONL (one object a line) or Parquet",
      );
  }
}

function cannotStream({ name }: Asset, why: string, advice: string): AppError {
  return new AppError("dataset-invalid", `${name} ${why}. ${advice}, or set streaming to false.`, {
    details: { file: name, key: "streaming" },
  });
}

type Add = (line: number, bytes: Uint8Array, sink: RowSink) => void;

interface Scan {
  readonly scan: (from: ScanStart, onRecord: OnRecord) => RecordScanner;
  readonly start: ScanStart;
  readonly limit: number;
  readonly add: Add;
  /** The first record is the names of the columns. */
  readonly header?: boolean;
}

/** One pass over a text file, that notes where its blocks begin and how many rows they have. */
async function scanBlocks(asset: Asset, options: Scan): Promise<Pick<Part, "blocks" | "lastLine">> {
  const { scan, start, limit, header = false } = options;
  const blocks: Block[] = [];
  let [rows, skip, lastLine] = [0, header ? 1 : 0, 0];
  let open: { from: number; to: number; line: number; rows: number } | undefined;
  const close = () => {
    if (open) blocks.push({ rows: open.rows, read: textBlock(asset, options, open) });
    open = undefined;
  };
  const scanner = scan(start, (from, to, line) => {
    if (rows >= limit) return;
    if (skip > 0) {
      skip -= 1;
      return;
    }
    if (open && (open.rows >= BLOCK_ROWS || to - open.from > BLOCK_BYTES)) close();
    open ??= { from, to, line, rows: 0 };
    open.to = to;
    open.rows += 1;
    rows += 1;
    lastLine = line;
  });
  for (let at = start.at; at < asset.size && rows < limit; at += CHUNK) {
    const end = Math.min(at + CHUNK, asset.size);
    scanner.feed(await asset.read(at, end), at);
    if (end - scanner.open.start > ROW_BYTES && rows < limit) throw tooLong(asset, scanner.open.line);
  }
  scanner.finish(asset.size);
  close();
  return { blocks, lastLine };
}

function tooLong({ name }: Asset, line: number): AppError {
  return new AppError(
    "dataset-invalid",
    `${name}: the row that begins in line ${line} has no end within ${ROW_BYTES / 2 ** 20} MB. A quote (") is not closed there, or the file has no lines.`,
    { details: { file: name, line } },
  );
}

function textBlock(
  asset: Asset,
  { scan, add }: Pick<Scan, "scan" | "add">,
  { from, to, line }: { readonly from: number; readonly to: number; readonly line: number },
): Block["read"] {
  return async (sink) => {
    const bytes = await asset.read(from, to);
    const scanner = scan({ at: from, line }, (start, end, at) => {
      if (!sink.full) add(at, bytes.subarray(start - from, end - from), sink);
    });
    scanner.feed(bytes, from);
    scanner.finish(to);
  };
}

/** Bytes as text without its line end, or the problem that they are none. */
function textAdder(encoding: Encoding, add: (line: number, text: string, sink: RowSink) => void): Add {
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  return (line, bytes, sink) => {
    let text: string;
    try {
      text = decoder.decode(bytes).replace(/\r$/, "");
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      sink.problem({ line, kind: "encoding", message: `Line ${line} holds bytes that are no text.` });
      return;
    }
    add(line, text, sink);
  };
}

const addTextLine = (line: number, text: string, sink: RowSink): void => sink.row(line, { text });

interface DelimitedOptions {
  readonly format: "csv" | "tsv";
  readonly encoding: Encoding;
  readonly start: ScanStart;
  readonly limit: number;
}

async function delimitedBlocks(
  asset: Asset,
  { format, encoding, start, limit }: DelimitedOptions,
): Promise<Part> {
  if (encoding !== "utf-8") throw cannotStream(asset, `is ${encoding}`, "Save it as UTF-8");
  const head = await asset.read(start.at, Math.min(start.at + CHUNK, asset.size));
  // The last sign may be cut in two.
  const text = new TextDecoder("utf-8").decode(head);
  const delimiter = format === "tsv" ? "\t" : guessDelimiter(text);
  const scan = (from: ScanStart, onRecord: OnRecord) => delimitedScanner(from, delimiter, onRecord);
  let names: string | undefined;
  const first = scan({ at: 0, line: 1 }, (from, to) => {
    names ??= new TextDecoder("utf-8").decode(head.subarray(from, to));
  });
  first.feed(head, 0);
  if (names === undefined) first.finish(head.length);
  const columns = readHeader(asset, cellsOf((names ?? "").replace(/\r$/, ""), delimiter).cells);
  const shape = { columns, delimiter };
  const add = textAdder(encoding, (line, record, sink) => addDelimitedRecord(line, record, shape, sink));
  return {
    ...{ format, encoding, delimiter },
    ...(await scanBlocks(asset, { scan, start, limit, add, header: true })),
  };
}

async function parquetBlocks(asset: Asset, limit: number): Promise<Part> {
  const { groups, read } = await openParquet(asset);
  const blocks: Block[] = [];
  let start = 0;
  for (const rows of groups) {
    const end = Math.min(start + rows, limit);
    for (let from = start; from < end; from += PARQUET_BLOCK_ROWS) {
      const to = Math.min(from + PARQUET_BLOCK_ROWS, end);
      blocks.push({
        rows: to - from,
        async read(sink) {
          for (const [i, row] of (await read(from, to)).entries()) sink.row(from + i + 1, row);
        },
      });
    }
    start += rows;
  }
  return { format: "parquet", encoding: undefined, delimiter: undefined, blocks, lastLine: start };
}
