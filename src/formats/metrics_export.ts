import type { LogRow } from "./trainer_state.ts";

/** One JSON object a line, one line a logged step. Numbers that are not finite become null. */
export function metricsJsonl(rows: readonly LogRow[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/**
 * The same as a table (RFC 4180, read by pandas and spreadsheets): `step` and `epoch` first, then the other names in the
 * order of their first row. What a row lacks is empty; NaN and infinities are written as pandas reads them.
 */
export function metricsCsv(rows: readonly LogRow[]): string {
  const seen = new Set(rows.flatMap((row) => Object.keys(row)));
  const first = ["step", "epoch"].filter((name) => seen.has(name));
  const names = [...new Set([...first, ...seen])];
  return [names, ...rows.map((row) => names.map((name) => row[name]))]
    .map((cells) => `${cells.map(cell).join(",")}\r\n`)
    .join("");
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "number")
    return Math.abs(value) === Number.POSITIVE_INFINITY ? `${value < 0 ? "-" : ""}inf` : `${value}`;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
