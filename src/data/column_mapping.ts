import { AppError } from "../lib/errors.ts";
import type { Row } from "./message.ts";
import { nearest } from "./nearest.ts";

export type ColumnMapping = Readonly<Record<string, string>>;

export interface ResolvedMapping {
  /** Which way round the mapping was read. */
  readonly direction: "column-to-role" | "role-to-column" | "none";
  /** Role (`prompt`, `response`, ...) to the column that plays it. */
  readonly roles: ReadonlyMap<string, string>;
}

/**
 * Reads a column mapping in whichever direction fits the file: `{question: prompt}` (column: role, AlignTune's files)
 * or `{prompt: question}` (role: column, its command line). Where both fit, the one whose other side has more known
 * roles wins, then column: role. Throws `dataset-invalid` naming what was sought, what is there and what is nearest.
 */
export function resolveMapping(
  mapping: ColumnMapping | undefined,
  columns: readonly string[],
  knownRoles: ReadonlySet<string>,
): ResolvedMapping {
  const pairs = Object.entries(mapping ?? {});
  if (pairs.length === 0) return { direction: "none", roles: new Map() };
  const has = new Set(columns);
  const keys = pairs.map(([key]) => key);
  const values = pairs.map(([, value]) => value);
  const forward = match(keys, values, has, knownRoles);
  const backward = match(values, keys, has, knownRoles);
  const columnFirst =
    forward.found === backward.found ? forward.roles >= backward.roles : forward.found > backward.found;
  const sought = columnFirst ? keys : values;
  const missing = sought.filter((column) => !has.has(column));
  if (missing.length > 0) throw missingColumns(missing, columns, "column_mapping names");
  return columnFirst
    ? { direction: "column-to-role", roles: new Map(pairs.map(([column, role]) => [role, column])) }
    : { direction: "role-to-column", roles: new Map(pairs) };
}

function match(
  columns: readonly string[],
  roles: readonly string[],
  has: ReadonlySet<string>,
  known: ReadonlySet<string>,
) {
  return {
    found: columns.filter((column) => has.has(column)).length,
    roles: roles.filter((role) => known.has(role)).length,
  };
}

/** The row with its columns under the names of their roles; columns that play no role keep theirs. */
export function applyMapping(row: Row, { roles }: ResolvedMapping): Row {
  if (roles.size === 0) return row;
  const taken = new Set(roles.values());
  const mapped: Record<string, unknown> = {};
  for (const [column, value] of Object.entries(row)) if (!taken.has(column)) mapped[column] = value;
  for (const [role, column] of roles) if (column in row) mapped[role] = row[column];
  return mapped;
}

/** `dataset-invalid`: which columns were sought, which exist, and the nearest of them. */
export function missingColumns(
  missing: readonly string[],
  columns: readonly string[],
  who: string,
): AppError {
  const hints = missing.flatMap((name) => {
    const near = nearest(name, columns);
    return near === undefined ? [] : [`${near} for ${name}`];
  });
  const hint = hints.length > 0 ? ` Did you mean ${hints.join(", ")}?` : "";
  return new AppError(
    "dataset-invalid",
    `${who} ${missing.join(", ")}, which the dataset does not have. Its columns are ${columns.join(", ")}.${hint}`,
    { details: { missing: [...missing], columns: [...columns] } },
  );
}
