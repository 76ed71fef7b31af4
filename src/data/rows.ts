import type { Asset } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { readDelimited } from "./formats/delimited_rows.ts";
import { readJsonFile, readJsonLines } from "./formats/json_rows.ts";
import { detectEncoding, type Encoding, readLines } from "./formats/text_lines.ts";
import type { Row } from "./message.ts";
import { ProblemList, type RowProblem, type RowProblemKind, type RowSink } from "./row_problem.ts";

export type FileFormat = "jsonl" | "json" | "csv" | "tsv" | "text";

export interface RowFile {
  readonly name: string;
  readonly format: FileFormat;
  readonly encoding: Encoding;
  /** CSV and TSV: guessed, to be shown. */
  readonly delimiter: string | undefined;
  readonly rows: readonly Row[];
  /** The line of each row (element of a JSON array), counted from 1. */
  readonly lines: readonly number[];
  /** Every column of any row, in order of first appearance. */
  readonly columns: readonly string[];
  readonly problems: readonly RowProblem[];
  readonly problemCounts: Readonly<Partial<Record<RowProblemKind, number>>>;
  readonly problemTotal: number;
}

export interface ReadOptions {
  /** By the name's ending unless given. */
  readonly format?: FileFormat;
  /** Keeps the first rows only (max_samples). */
  readonly limit?: number;
}

/**
 * Reads a dataset file. A row that cannot be used becomes a problem and the rest is read; the caller decides whether
 * to go on without it. Throws `dataset-invalid` for a file of which nothing can be read.
 */
export async function readRows(asset: Asset, options: ReadOptions = {}): Promise<RowFile> {
  const { encoding } = await detectEncoding(asset);
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  const rows: Row[] = [];
  const lines: number[] = [];
  const columns = new Set<string>();
  const problems = new ProblemList();
  const sink: RowSink = {
    get full() {
      return rows.length >= limit;
    },
    row(line, row) {
      rows.push(row);
      lines.push(line);
      for (const column of Object.keys(row)) columns.add(column);
    },
    problem: (problem) => problems.add(problem),
  };
  const { format, delimiter } = await read(asset, options.format ?? (await guessFormat(asset)), sink);
  if (rows.length === 0 && problems.total === 0) {
    throw new AppError("dataset-invalid", `${asset.name} holds no rows.`, { details: { file: asset.name } });
  }
  return {
    name: asset.name,
    format,
    encoding,
    delimiter,
    rows,
    lines,
    columns: [...columns],
    problems: problems.kept,
    problemCounts: problems.counts,
    problemTotal: problems.total,
  };
}

interface Read {
  readonly format: FileFormat;
  readonly delimiter: string | undefined;
}

async function read(asset: Asset, format: FileFormat, sink: RowSink): Promise<Read> {
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

const ENDINGS: Readonly<Record<string, FileFormat>> = {
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
async function guessFormat(asset: Asset): Promise<FileFormat> {
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
    `The name ${asset.name} does not say what it holds. Readable are .jsonl, .json, .csv, .tsv and .txt.`,
    { details: { file: asset.name } },
  );
}
