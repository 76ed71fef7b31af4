/** What a column can be used as, in any method. */
export const ROLES: readonly string[] = [
  "prompt",
  "completion",
  "response",
  "instruction",
  "input",
  "output",
  "answer",
  "reference",
  "chosen",
  "rejected",
  "messages",
  "text",
  "system",
  "context",
  "test_cases",
];

export interface MappingReading {
  readonly direction: "column_to_role" | "role_to_column";
  /** Both directions fit or neither does: show the reading and offer to swap it. */
  readonly unsure: boolean;
  /** Column to role, whichever way it was written. */
  readonly roles: Readonly<Record<string, string>>;
  /** Names that should be columns and are not. */
  readonly missing: readonly string[];
}

const swap = (mapping: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(mapping).map(([from, to]) => [to, from]));

/**
 * Which way a column mapping is written. AlignTune has both (`question: prompt` and `prompt: question`); the columns that
 * the data really has decide, and then which side names roles.
 */
export function readMapping(
  mapping: Readonly<Record<string, string>>,
  columns: readonly string[],
  roles: readonly string[] = ROLES,
): MappingReading {
  const left = Object.keys(mapping);
  const right = Object.values(mapping);
  const count = (names: readonly string[], known: readonly string[]) =>
    names.filter((name) => known.includes(name)).length;
  const byColumns = count(left, columns) - count(right, columns);
  const byRoles = count(right, roles) - count(left, roles);
  const direction = byColumns < 0 || (byColumns === 0 && byRoles < 0) ? "role_to_column" : "column_to_role";
  const read = direction === "column_to_role" ? { ...mapping } : swap(mapping);
  return {
    direction,
    unsure: byColumns === 0 && byRoles === 0 && left.length > 0,
    roles: read,
    missing: Object.keys(read).filter((column) => !columns.includes(column)),
  };
}
