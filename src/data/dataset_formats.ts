import type { TaskType } from "../config/fields/data.ts";
import { AppError } from "../lib/errors.ts";
import { chooseFormat } from "./choose_format.ts";
import { applyMapping, type ColumnMapping, type ResolvedMapping, resolveMapping } from "./column_mapping.ts";
import type { Example, ExampleBody, Turns } from "./example.ts";
import type { Row } from "./message.ts";
import { RowRefusal } from "./row_fields.ts";
import type { RowFormat, RowPurpose } from "./row_format.ts";
import { ALL_COLUMNS } from "./row_formats.ts";
import { ProblemList, type RowProblem, type RowProblemKind } from "./row_problem.ts";
import { type FirstRows, type RowFile, rowUnit } from "./rows.ts";

export interface ExampleOptions {
  /** sft, preference (dpo) or prompt (the reward methods). */
  readonly purpose: RowPurpose;
  readonly columnMapping?: ColumnMapping;
  readonly systemPrompt?: string;
  /** Whether the model has a chat template: instruction and question rows are then made conversations. */
  readonly hasTemplate: boolean;
  /** Overrides recognition: the id of a row format. */
  readonly format?: string;
  readonly taskType?: TaskType;
  /** What the dataset is called; the file's name when absent. */
  readonly name?: string;
}

export interface ExampleSet {
  readonly format: Pick<RowFormat, "id" | "label">;
  /** Which column plays which role: as given, and as found under another name. */
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
  /** What a person should know of the choice of the format. */
  readonly notes: readonly string[];
  /** A row in canonical form, with every column that rewards see, or the problem with it. */
  read(
    row: Row,
    line: number,
  ): { readonly body: ExampleBody; readonly row: Row } | { readonly problem: RowProblem };
}

/** Recognises the format by the columns of the first rows. Throws `dataset-invalid` when none fits. */
export function rowReader(file: RowFile, options: ExampleOptions): RowReader {
  const given = resolveMapping(options.columnMapping, file.columns, ALL_COLUMNS);
  const { format, mapping, notes } = chooseFormat(file, given, options);
  const where = rowUnit(file) === "row" ? "Row" : "Line";
  return {
    ...{ format, mapping, notes },
    read(row, line) {
      try {
        const mapped = applyMapping(row, mapping);
        const body = format.read(mapped, options);
        // Rewards see the dataset's own columns, and what a format adds under the names that rewards know.
        const added = body.kind === "prompt" ? format.added?.(mapped) : undefined;
        return { body, row: added ? { ...added, ...row } : row };
      } catch (cause) {
        if (!(cause instanceof RowRefusal)) throw cause;
        return { problem: { line, kind: cause.kind, message: `${where} ${line}: ${cause.message}` } };
      }
    },
  };
}

/**
 * The columns that rows are read by, told by the first of them; undefined where all are wanted, or where no format fits, which
 * is said once all rows are there.
 */
export function columnsInUse(first: FirstRows, options: ExampleOptions): readonly string[] | undefined {
  if (options.purpose === "prompt") return undefined;
  try {
    const given = resolveMapping(options.columnMapping, first.columns, ALL_COLUMNS);
    const { format, mapping } = chooseFormat(first, given, options);
    const inUse = new Set([...format.columns, ...mapping.roles.values()]);
    return first.columns.filter((column) => inUse.has(column));
  } catch (cause) {
    if (cause instanceof AppError) return undefined;
    throw cause;
  }
}

/**
 * The rows of a file in canonical form: columns renamed by the mapping, the format recognised by the columns, each
 * row read by it. Rows that do not fit are problems; `rowIndex` counts the rows of the file.
 * Throws `dataset-invalid` when no format fits or no row is usable.
 */
export function readExamples(file: RowFile, options: ExampleOptions): ExampleSet {
  const { format, mapping, notes: taken, read } = rowReader(file, options);
  const problems = new ProblemList();
  for (const problem of file.problems) problems.add(problem);
  const examples: Example[] = [];
  file.rows.forEach((row, rowIndex) => {
    const result = read(row, file.lines[rowIndex] ?? rowIndex + 1);
    if ("problem" in result) problems.add(result.problem);
    else examples.push({ ...result.body, row: result.row, rowIndex });
  });
  if (examples.length === 0) throw noneUsable(file, format, problems);
  return {
    format: { id: format.id, label: format.label },
    mapping,
    examples,
    problems: problems.kept,
    problemCounts: problems.counts,
    problemTotal: file.problemTotal - file.problems.length + problems.total,
    notes: [...taken, ...notes(examples, options)],
  };
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
