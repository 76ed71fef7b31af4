import { AppError } from "../lib/errors.ts";
import { applyMapping, type ColumnMapping, type ResolvedMapping, resolveMapping } from "./column_mapping.ts";
import type { Example, ExampleBody, Turns } from "./example.ts";
import type { Row } from "./message.ts";
import { RowRefusal } from "./row_fields.ts";
import { ROW_FORMATS, type RowFormat, type RowPurpose } from "./row_formats.ts";
import { ProblemList, type RowProblem, type RowProblemKind } from "./row_problem.ts";
import { type RowFile, rowUnit } from "./rows.ts";

export interface ExampleOptions {
  /** sft, preference (dpo) or prompt (the reward methods). */
  readonly purpose: RowPurpose;
  readonly columnMapping?: ColumnMapping;
  readonly systemPrompt?: string;
  /** Whether the model has a chat template: instruction and question rows are then made conversations. */
  readonly hasTemplate: boolean;
  /** Overrides recognition: the id of a row format. */
  readonly format?: string;
}

export interface ExampleSet {
  readonly format: Pick<RowFormat, "id" | "label">;
  readonly mapping: ResolvedMapping;
  readonly examples: readonly Example[];
  readonly problems: readonly RowProblem[];
  readonly problemCounts: Readonly<Partial<Record<RowProblemKind, number>>>;
  readonly problemTotal: number;
  /** What a person should know: a setting without meaning for these rows. */
  readonly notes: readonly string[];
}

/** How the rows of a dataset are read, once it is known what they look like. */
export interface RowReader {
  readonly format: RowFormat;
  readonly mapping: ResolvedMapping;
  /** A row in canonical form, or the problem with it. */
  read(row: Row, line: number): { readonly body: ExampleBody } | { readonly problem: RowProblem };
}

/** Recognises the format by the columns of the first rows. Throws `dataset-invalid` when none fits. */
export function rowReader(file: RowFile, options: ExampleOptions): RowReader {
  const mapping = resolveMapping(options.columnMapping, file.columns, KNOWN_COLUMNS);
  const first = file.rows.slice(0, 100).map((row) => applyMapping(row, mapping));
  const columns = [...new Set(first.flatMap((row) => Object.keys(row)))];
  const format = chooseFormat(first, columns, file, options);
  const where = rowUnit(file) === "row" ? "Row" : "Line";
  return {
    ...{ format, mapping },
    read(row, line) {
      try {
        return { body: format.read(applyMapping(row, mapping), options) };
      } catch (cause) {
        if (!(cause instanceof RowRefusal)) throw cause;
        return { problem: { line, kind: cause.kind, message: `${where} ${line}: ${cause.message}` } };
      }
    },
  };
}

/**
 * The rows of a file in canonical form: columns renamed by the mapping, the format recognised by the columns, each
 * row read by it. Rows that do not fit are problems; `rowIndex` counts the rows of the file.
 * Throws `dataset-invalid` when no format fits or no row is usable.
 */
export function readExamples(file: RowFile, options: ExampleOptions): ExampleSet {
  const { format, mapping, read } = rowReader(file, options);
  const problems = new ProblemList();
  for (const problem of file.problems) problems.add(problem);
  const examples: Example[] = [];
  file.rows.forEach((row, rowIndex) => {
    const result = read(row, file.lines[rowIndex] ?? rowIndex + 1);
    if ("problem" in result) problems.add(result.problem);
    else examples.push({ ...result.body, row, rowIndex });
  });
  if (examples.length === 0) throw noneUsable(file, format, problems);
  return {
    format: { id: format.id, label: format.label },
    mapping,
    examples,
    problems: problems.kept,
    problemCounts: problems.counts,
    problemTotal: file.problemTotal - file.problems.length + problems.total,
    notes: notes(examples, options),
  };
}

function chooseFormat(
  rows: readonly Row[],
  columns: readonly string[],
  file: RowFile,
  { purpose, format: wanted }: ExampleOptions,
): RowFormat {
  const usable = ROW_FORMATS.filter((format) => format.purposes.includes(purpose));
  if (wanted !== undefined) {
    const format = ROW_FORMATS.find(({ id }) => id === wanted);
    if (format) return format;
    const ids = ROW_FORMATS.map(({ id }) => id).join(", ");
    throw new AppError("config-invalid", `There is no row format "${wanted}". Known are ${ids}.`);
  }
  const found = usable.find((format) => format.fits(columns, rows));
  if (found) return found;
  const other = ROW_FORMATS.find((format) => format.fits(columns, rows));
  const sought = usable.map((format) => format.needs).join("; ");
  const hint = other ? ` These look like ${other.label} rows, which this algorithm does not train on.` : "";
  throw new AppError(
    "dataset-invalid",
    `${file.name} has the columns ${columns.join(", ") || "(none)"}; sought were ${sought}.${hint} ${advice(purpose, columns)}`,
    {
      details: {
        file: file.name,
        columns: [...columns],
        needs: usable.map((format) => format.needs),
      },
    },
  );
}

function advice(purpose: RowPurpose, columns: readonly string[]): string {
  const [first = "column", second = "other"] = columns;
  if (purpose !== "preference") return `Name them with column_mapping, for example {${first}: prompt}.`;
  return `If two columns hold a better and a worse answer, name them with column_mapping, for example {${first}: chosen, ${second}: rejected}. If not, write a processing_fn that makes prompt, chosen and rejected of a row.`;
}

function noneUsable(file: RowFile, format: RowFormat, problems: ProblemList): AppError {
  const first = problems.kept[0]?.message ?? "";
  return new AppError(
    "dataset-invalid",
    `No row of ${file.name} is usable as ${format.label} (${format.needs}). Its columns are ${file.columns.join(", ")}. First: ${first}`,
    { details: { file: file.name, columns: [...file.columns], problems: problems.kept.slice(0, 20) } },
  );
}

function notes(examples: readonly Example[], { systemPrompt }: ExampleOptions): string[] {
  if (systemPrompt === undefined || examples.some(hasSystem)) return [];
  return ["system_prompt is not used: these rows are plain text, not conversations."];
}

function hasSystem(example: Example): boolean {
  const turns = turnsOf(example);
  return typeof turns === "object" && turns[0]?.role === "system";
}

/** What a row begins with. */
function turnsOf(example: Example): Turns {
  switch (example.kind) {
    case "text":
      return example.text;
    case "messages":
      return example.messages;
    case "preference":
      return example.prompt ?? example.chosen;
    case "prompt_completion":
    case "prompt":
      return example.prompt;
  }
}

/** Column names with a meaning, for telling the direction of a mapping. */
const KNOWN_COLUMNS: ReadonlySet<string> = new Set(ROW_FORMATS.flatMap((format) => format.columns));
