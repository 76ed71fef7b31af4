import type { TaskType } from "../config/fields/data.ts";
import { AppError } from "../lib/errors.ts";
import { applyMapping, type ResolvedMapping } from "./column_mapping.ts";
import { describeGuess, guessRoles, type SchemaName, schemaOf } from "./guess_roles.ts";
import type { RowFormat, RowPurpose, RowSample } from "./row_format.ts";
import { ROW_FORMATS } from "./row_formats.ts";
import type { FirstRows } from "./rows.ts";
import { TASK_ROWS } from "./task_types.ts";

interface Choice {
  readonly format: RowFormat;
  readonly mapping: ResolvedMapping;
  /** What a person should know: columns that were taken for a role by their names, a task_type that does not fit. */
  readonly notes: readonly string[];
}

export interface ChoiceOptions {
  readonly purpose: RowPurpose;
  readonly taskType?: TaskType;
  /** The id of a row format that is wanted. */
  readonly format?: string;
  /** What the dataset is called; the file's name when absent. */
  readonly name?: string;
}

/** What is known of the file, and the formats that its rows may have. */
interface Search {
  readonly file: FirstRows;
  readonly given: ResolvedMapping;
  readonly sample: RowSample;
  readonly usable: readonly RowFormat[];
}

/**
 * The format by task_type, else by the columns as they are named, else by other names that columns go by. Throws
 * `dataset-invalid` naming what was sought, what was found and what to do.
 */
export function chooseFormat(file: FirstRows, given: ResolvedMapping, options: ChoiceOptions): Choice {
  const { purpose, format: wanted, taskType } = options;
  if (wanted !== undefined) return { format: formatById(wanted), mapping: given, notes: [] };
  const sample = sampleOf(file, given, { purpose, name: options.name ?? file.name });
  const usable = ROW_FORMATS.filter((format) => format.purposes.includes(purpose));
  const search: Search = { file, given, sample, usable };
  const byTask = taskType === undefined ? undefined : chooseByTask(search, taskType);
  if (byTask !== undefined && typeof byTask !== "string") return byTask;
  const notes = byTask === undefined ? [] : [byTask];
  const format = usable.find((one) => one.fits(sample));
  if (format) return { format, mapping: given, notes };
  const guessed = guess(search, schemaOf(purpose), usable);
  if (guessed) return { ...guessed, notes: [...notes, ...guessed.notes] };
  throw noFormat(file, sample, usable);
}

/** The choice of a task_type, or the note that it made none; undefined where it leaves the choice to the columns. */
function chooseByTask(search: Search, taskType: TaskType): Choice | string | undefined {
  const { sample, usable, given } = search;
  const { purposes, formats, schema, reads } = TASK_ROWS[taskType];
  if (!purposes.includes(sample.purpose)) {
    return `task_type (${taskType}) is not used: it reads ${reads}, which this algorithm does not train on.`;
  }
  if (formats.length === 0) return undefined;
  const preferred = formats.flatMap((id) => usable.find((format) => format.id === id) ?? []);
  const found = preferred.find((format) => format.fits(sample));
  const guessed = schema && guess(search, schema, preferred);
  // A format that fits may still pass over a column that plays a role of the task.
  const passesOver =
    guessed && found && [...guessed.mapping.roles.values()].some((column) => !found.columns.includes(column));
  if (found && !passesOver) return { format: found, mapping: given, notes: [] };
  return guessed ?? `task_type (${taskType}) reads ${reads}; none were found.`;
}

function guess(
  { file, given, sample }: Search,
  schema: SchemaName,
  formats: readonly RowFormat[],
): Choice | undefined {
  const { roles, missing } = guessRoles(schema, sample.columns);
  if (missing.length > 0) return undefined;
  const mapping = withRoles(given, roles);
  const renamed = sampleOf(file, mapping, sample);
  const format = formats.find((one) => one.fits(renamed));
  return format && { format, mapping, notes: takenFor(given, mapping) };
}

function sampleOf(
  file: FirstRows,
  mapping: ResolvedMapping,
  { purpose, name }: Pick<RowSample, "purpose" | "name">,
): RowSample {
  const rows = file.rows.slice(0, 100).map((row) => applyMapping(row, mapping));
  return { rows, purpose, name, columns: [...new Set(rows.flatMap((row) => Object.keys(row)))] };
}

function formatById(wanted: string): RowFormat {
  const format = ROW_FORMATS.find(({ id }) => id === wanted);
  if (format) return format;
  const ids = ROW_FORMATS.map(({ id }) => id).join(", ");
  throw new AppError("config-invalid", `There is no row format "${wanted}". Known are ${ids}.`);
}

/** What a person gave stays; guessed roles are added under the columns of the file. */
function withRoles(given: ResolvedMapping, guessed: ReadonlyMap<string, string>): ResolvedMapping {
  const roles = new Map(given.roles);
  for (const [role, column] of guessed) {
    if (role !== column && !roles.has(role)) roles.set(role, given.roles.get(column) ?? column);
  }
  return { ...given, roles };
}

function takenFor(given: ResolvedMapping, { roles }: ResolvedMapping): string[] {
  const taken = [...roles].filter(([role]) => !given.roles.has(role));
  if (taken.length === 0) return [];
  const words = taken.map(([role, column]) => `${column} is taken for the ${role}`);
  return [`${words.join(", ")}; column_mapping says it otherwise.`];
}

function noFormat(file: FirstRows, sample: RowSample, usable: readonly RowFormat[]): AppError {
  const { columns, purpose } = sample;
  const other = ROW_FORMATS.find((format) =>
    format.purposes.some((one) => one !== purpose && format.fits({ ...sample, purpose: one })),
  );
  const needs = [...new Set(usable.filter(({ special }) => !special).map((format) => format.needs))];
  const schema = schemaOf(purpose);
  const partly = describeGuess(schema, guessRoles(schema, columns));
  const hints = [
    other && `These look like ${other.label} rows, which this algorithm does not train on.`,
    partly,
    purpose === "sft" ? adviceForPairs(sample) : undefined,
  ];
  const sentences = [...hints.filter((hint) => hint !== undefined), advice(purpose, columns)].join(" ");
  return new AppError(
    "dataset-invalid",
    `${file.name} has the columns ${columns.join(", ") || "(none)"}; sought were ${needs.join("; ")}. ${sentences}`,
    { details: { file: file.name, columns: [...columns], needs } },
  );
}

/** Pairs can be learned from by example too, once it is said that the better answer is to be copied. */
function adviceForPairs({ columns, rows }: RowSample): string | undefined {
  if (!columns.includes("chosen")) return undefined;
  const whole = rows.some((row) => Array.isArray(row["chosen"]));
  const role = whole ? "messages" : columns.includes("prompt") ? "completion" : "text";
  return `To learn the better answers by example, set column_mapping: {chosen: ${role}}.`;
}

function advice(purpose: RowPurpose, columns: readonly string[]): string {
  const [first = "column", second = "other"] = columns;
  if (purpose !== "preference") return `Name them with column_mapping, for example {${first}: prompt}.`;
  return `If two columns hold a better and a worse answer, name them with column_mapping, for example {${first}: chosen, ${second}: rejected}. If not, write a processing_fn that makes prompt, chosen and rejected of a row.`;
}
