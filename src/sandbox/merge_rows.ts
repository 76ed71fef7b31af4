import type { AppError } from "../lib/errors.ts";
import type { Fault } from "./messages.ts";

type Row = Readonly<Record<string, unknown>>;
type Refuse = (fault: Fault) => AppError;

/** The columns that a function returned over those that the row had, as datasets.map does. */
export function mergeRow(row: Row, returned: string | undefined, refuse: Refuse): Row {
  return { ...row, ...readObject(returned, refuse) };
}

/** The same for columns of lists, which all have one entry for each row. */
export function mergeColumns(
  rows: readonly Row[],
  returned: string | undefined,
  refuse: Refuse,
): readonly Row[] {
  const columns = Object.entries(readObject(returned, refuse)).map(([name, list]): [string, unknown[]] => {
    if (Array.isArray(list) && list.length === rows.length) return [name, list];
    const actual = Array.isArray(list) ? `${list.length} entries` : `a single value (${typeof list})`;
    const message = `returned ${actual} in the column ${name} for ${rows.length} rows; each column needs a list with one entry for each row`;
    throw refuse({ kind: "wrong-shape", message });
  });
  return rows.map((row, index) => ({
    ...row,
    ...Object.fromEntries(columns.map(([name, list]) => [name, list[index]])),
  }));
}

/** The text comes from the place where the code runs: it may be anything. */
function readObject(text: string | undefined, refuse: Refuse): Row {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Row;
  } catch {
    // Refused below.
  }
  throw refuse({ kind: "crashed", message: "gave no result that can be read" });
}
