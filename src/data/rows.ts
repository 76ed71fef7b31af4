import type { Asset, DatasetAsset } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { readDelimited } from "./formats/delimited_rows.ts";
import { readJsonFile, readJsonLines } from "./formats/json_rows.ts";
import { isParquet, openParquet, readParquet } from "./formats/parquet_rows.ts";
import { detectEncoding, type Encoding, readLines } from "./formats/text_lines.ts";
import type { Row } from "./message.ts";
import { RowCollector } from "./row_collector.ts";
import type { RowProblem, RowProblemKind, RowSink } from "./row_problem.ts";
import { emptySlice, type RowRange, type RowSelection } from "./split_slice.ts";

export type FileFormat = "jsonl" | "json" | "csv" | "tsv" | "parquet" | "text";

export interface RowFile {
  readonly name: string;
  readonly format: FileFormat;
  /** Undefined for a format that is no text. */
  readonly encoding: Encoding | undefined;
  /** CSV and TSV: guessed, to be shown. */
  readonly delimiter: string | undefined;
  readonly rows: readonly Row[];
  /** The line of each row (element of a JSON array, row of a table), counted from 1, through all files. */
  readonly lines: readonly number[];
  /** Every column of any row, in order of first appearance. */
  readonly columns: readonly string[];
  readonly problems: readonly RowProblem[];
  readonly problemCounts: Readonly<Partial<Record<RowProblemKind, number>>>;
  readonly problemTotal: number;
}

export type FirstRows = Pick<RowFile, "name" | "format" | "rows" | "columns">;

export interface ReadOptions {
  /** By the name's ending unless given. */
  readonly format?: FileFormat;
  /** Keeps the first rows only. */
  readonly limit?: number;
  /** Keeps the rows that a split names; what needs no reading is not read. */
  readonly selection?: RowSelection;
  /**
   * Which columns the rest of a Parquet file is read for, told by its first rows, which have all; undefined reads all. Files of
   * text come as a whole.
   */
  readonly columnsInUse?: (first: FirstRows) => readonly string[] | undefined;
}

/**
 * Reads a dataset file, or all files of a split as one. A row that cannot be used becomes a problem and the rest is read; the
 * caller decides whether to go on without it. Throws `dataset-invalid` for a file of which nothing can be read.
 */
export async function readRows(asset: DatasetAsset, options: ReadOptions = {}): Promise<RowFile> {
  const parts = [asset, ...(asset.more ?? [])];
  const range = await rangeBefore(parts, options);
  const rows = new RowCollector(range ?? { from: 0, to: Number.POSITIVE_INFINITY });
  let first: Read | undefined;
  for (const part of parts) {
    if (rows.full) break;
    rows.begin(parts.length === 1 ? "" : `${part.name}: `);
    const read = await readPart(part, options, rows);
    first ??= read;
  }
  const name = parts.length === 1 ? asset.name : `${asset.name} and ${parts.length - 1} more`;
  if (rows.position === 0 && rows.problems.total === 0) {
    throw new AppError("dataset-invalid", `${name} holds no rows.`, { details: { file: asset.name } });
  }
  const kept = range === undefined ? options.selection?.range(rows.position) : undefined;
  const taken = rows.take(kept);
  if (options.selection && taken.rows.length === 0 && rows.position > 0)
    throw emptySlice(options.selection.term, rows.position);
  return {
    name,
    format: first?.format ?? "text",
    encoding: first?.encoding,
    delimiter: first?.delimiter,
    ...taken,
    problems: rows.problems.kept,
    problemCounts: rows.problems.counts,
    problemTotal: rows.problems.total,
  };
}

/** The rows that are wanted, where that can be told before they are read. */
async function rangeBefore(parts: readonly Asset[], options: ReadOptions): Promise<RowRange | undefined> {
  const { selection, limit, format } = options;
  if (selection === undefined) return limit === undefined ? undefined : { from: 0, to: limit };
  if (selection.known) return selection.known;
  let count = 0;
  for (const part of parts) {
    if (format !== "parquet" && (format !== undefined || !(await isParquet(part)))) return undefined;
    for (const rows of (await openParquet(part)).groups) count += rows;
  }
  return selection.range(count);
}

async function readPart(
  asset: Asset,
  { format: given, columnsInUse }: ReadOptions,
  sink: RowCollector,
): Promise<Read> {
  if (given === "parquet" || (given === undefined && (await isParquet(asset)))) {
    const first = (): FirstRows => ({ name: asset.name, format: "parquet", ...sink.take(undefined) });
    await readParquet(asset, sink, columnsInUse && (() => columnsInUse(first())));
    return { format: "parquet", delimiter: undefined, encoding: undefined };
  }
  const { encoding } = await detectEncoding(asset);
  return { ...(await readText(asset, given ?? (await guessFormat(asset)), sink)), encoding };
}

interface ReadText {
  readonly format: TextFormat;
  readonly delimiter: string | undefined;
}

type Read = Pick<RowFile, "format" | "delimiter" | "encoding">;

export type TextFormat = Exclude<FileFormat, "parquet">;

async function readText(asset: Asset, format: TextFormat, sink: RowSink): Promise<ReadText> {
  switch (format) {
    case "jsonl":
      await readJsonLines(asset, sink);
      return { format, delimiter: undefined };
    case "json":
      return { format: await readJsonFile(asset, sink), delimiter: undefined };
    case "csv":
      return { format, delimiter: await readDelimited(asset, sink, undefined) };
    case "tsv":
      return { format, delimiter: await readDelimited(asset, sink, "\t") };
    case "text":
      await readTextLines(asset, sink);
      return { format, delimiter: undefined };
  }
}

/** Every line that is not blank is a row with the one column `text`. */
async function readTextLines(asset: Asset, sink: RowSink): Promise<void> {
  for await (const { line, text } of readLines(asset)) {
    if (sink.full) return;
    if (text === undefined) {
      sink.problem({ line, kind: "encoding", message: `Line ${line} holds bytes that are no text.` });
    } else if (text.trim() !== "") sink.row(line, { text });
  }
}

const ENDINGS: Readonly<Record<string, TextFormat>> = {
  jsonl: "jsonl",
  ndjson: "jsonl",
  json: "json",
  csv: "csv",
  tsv: "tsv",
  tab: "tsv",
  txt: "text",
  text: "text",
  md: "text",
};

/** The format by the name's ending, else by the first sign of the content: { is JSONL, [ is JSON. */
export async function guessFormat(asset: Asset): Promise<TextFormat> {
  const ending = /\.([a-z]+)$/i.exec(asset.name)?.[1]?.toLowerCase() ?? "";
  const known = ENDINGS[ending];
  if (known !== undefined) return known;
  for await (const { text } of readLines(asset)) {
    const sign = text?.trim()[0];
    if (sign === "{") return "jsonl";
    if (sign === "[") return "json";
    if (sign !== undefined) break;
  }
  throw new AppError(
    "dataset-invalid",
    `The name ${asset.name} does not say what it holds. Readable are .jsonl, .json, .csv, .tsv, .parquet and .txt.`,
    { details: { file: asset.name } },
  );
}

/** What a file's rows are counted in, for messages. */
export const rowUnit = ({ format }: Pick<RowFile, "format">): "line" | "row" =>
  format === "json" || format === "parquet" ? "row" : "line";
