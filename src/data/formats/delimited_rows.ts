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
    else if (quote !== undefined) {
      sink.problem({
        line: start,
        kind: "quotes",
        message: `Line ${start}: ${quote.toLowerCase()}. Quotes inside a quoted value are written twice ("").`,
      });
    } else addCells(start, columns, cells, sink);
  });
  return parsed.meta.delimiter;
}

/** The sign that the header line holds most of, outside quotes; the comma when it holds none. */
function guessDelimiter(text: string): string {
  const header = /^(?:"(?:[^"]|"")*"|[^"\r\n])*/.exec(text.trimStart())?.[0] ?? "";
  const bare = header.replace(/"(?:[^"]|"")*"/g, "");
  const count = (sign: string) => bare.split(sign).length;
  return [",", ";", "\t", "|"].reduce((best, sign) => (count(sign) > count(best) ? sign : best));
}

function readHeader(asset: Asset, cells: readonly string[]): string[] {
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

function addCells(line: number, columns: readonly string[], cells: readonly string[], sink: RowSink): void {
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
