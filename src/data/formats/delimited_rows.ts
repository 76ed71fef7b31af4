import Papa from "papaparse";
import type { Asset } from "../../host/host.ts";
import { AppError } from "../../lib/errors.ts";
import type { RowSink } from "../row_problem.ts";
import { readWhole } from "./text_lines.ts";

/**
 * CSV and TSV with a header line. Values stay text. The delimiter is guessed unless given and is returned.
 * Throws `dataset-invalid` for a header that is empty or names a column twice.
 */
export async function readDelimited(
  asset: Asset,
  sink: RowSink,
  delimiter: string | undefined,
): Promise<string> {
  const { text } = await readWhole(asset);
  const parsed = Papa.parse<string[]>(text, {
    header: false,
    skipEmptyLines: false,
    delimiter: delimiter ?? guessDelimiter(text),
  });
  const quotes = new Map<number, string>();
  for (const error of parsed.errors) {
    if (error.type === "Quotes" && error.row !== undefined) quotes.set(error.row, error.message);
  }
  let columns: string[] | undefined;
  let line = 1;
  parsed.data.forEach((cells, index) => {
    const start = line;
    line += 1 + cells.reduce((count, cell) => count + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);
    if (cells.every((cell) => cell.trim() === "") || sink.full) return;
    const quote = quotes.get(index);
    if (columns === undefined) columns = readHeader(asset, cells);
    else addRecord(start, columns, cells, quote, sink);
  });
  return parsed.meta.delimiter;
}

/** The sign that the header line holds most of, outside quotes; the comma when it holds none. */
export function guessDelimiter(text: string): string {
  const header = /^(?:"(?:[^"]|"")*"|[^"\r\n])*/.exec(text.trimStart())?.[0] ?? "";
  const bare = header.replace(/"(?:[^"]|"")*"/g, "");
  const count = (sign: string) => bare.split(sign).length;
  return [",", ";", "\t", "|"].reduce((best, sign) => (count(sign) > count(best) ? sign : best));
}

export function readHeader(asset: Pick<Asset, "name">, cells: readonly string[]): string[] {
  const columns = cells.map((cell, i) => cell.trim() || `column_${i + 1}`);
  const twice = columns.find((column, i) => columns.indexOf(column) !== i);
  if (twice !== undefined) {
    throw new AppError(
      "dataset-invalid",
      `${asset.name} names the column "${twice}" twice in its first line. Rename one of them.`,
      { details: { file: asset.name, columns } },
    );
  }
  return columns;
}

/** One record of CSV: its values, and what is wrong with its quotes. */
function addRecord(
  line: number,
  columns: readonly string[],
  cells: readonly string[],
  quote: string | undefined,
  sink: RowSink,
): void {
  if (quote !== undefined) {
    sink.problem({
      line,
      kind: "quotes",
      message: `Line ${line}: ${quote.toLowerCase()}. Quotes inside a quoted value are written twice ("").`,
    });
    return;
  }
  if (cells.length !== columns.length) {
    sink.problem({
      line,
      kind: "column-count",
      message: `Line ${line} has ${cells.length} values; the header has ${columns.length} columns.`,
    });
    return;
  }
  sink.row(line, Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ""])));
}

/** The values of the text of one record. */
export function cellsOf(text: string, delimiter: string): { cells: readonly string[]; quote?: string } {
  const { data, errors } = Papa.parse<string[]>(text, { header: false, delimiter, newline: "\n" });
  const quote = errors.find(({ type }) => type === "Quotes")?.message;
  return { cells: data[0] ?? [], ...(quote !== undefined && { quote }) };
}

/** The text of one record of CSV under a header that is known. A record without a value is passed over. */
export function addDelimitedRecord(
  line: number,
  text: string,
  { columns, delimiter }: { readonly columns: readonly string[]; readonly delimiter: string },
  sink: RowSink,
): void {
  const { cells, quote } = cellsOf(text, delimiter);
  if (cells.some((cell) => cell.trim() !== "")) addRecord(line, columns, cells, quote, sink);
}
