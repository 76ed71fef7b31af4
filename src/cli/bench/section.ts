/** One table of the report, for people, and the same numbers for programs. */
export interface Section {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
  readonly data: Readonly<Record<string, unknown>>;
}

/** A Markdown table with aligned columns. */
export function formatSection({ title, header, rows, notes }: Section): string {
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => (cells[i] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  const table = header.length > 0 ? [line(header), rule, ...rows.map(line), ""] : [];
  return [`### ${title}`, "", ...table, ...notes.map((note) => `- ${note}`), ""].join("\n");
}

/** Three significant digits, without an exponent. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

export const milliseconds = (seconds: number): string => `${figure(seconds * 1000)} ms`;

export const percent = (share: number): string => `${figure(100 * share)} %`;
