import { ROLES } from "../../config/column_mapping.ts";
import type { DataKind } from "../../protocol/catalog.ts";
import type { DataPreview } from "../../protocol/setup.ts";

/** Names that mean something by themselves, beside the roles that can be given. */
const OWN_NAMES = [
  ...["question", "query", "problem", "conversations", "conversation", "target", "solution", "answers"],
  ...["system_prompt", "history", "document", "article", "dialogue", "summary", "highlights", "abstract"],
  ...["code", "test_list", "canonical_solution", "test", "entry_point", "completions"],
];
const LEFT_OUT: Readonly<Record<DataKind, readonly string[]>> = {
  examples: ["chosen", "rejected", "reference"],
  pairs: [
    "completion",
    "response",
    "output",
    "answer",
    "reference",
    "test_cases",
    "messages",
    "text",
    ...["target", "solution", "answers", "document", "article", "dialogue", "summary", "highlights"],
    ...["abstract", "code", "test_list", "canonical_solution", "test", "entry_point", "history"],
  ],
  prompts: ["chosen", "rejected", "text", "completion"],
};

/** What a column can be for a method that learns from rows of this kind. */
export const rolesFor = (kind: DataKind): readonly string[] =>
  [...ROLES, ...OWN_NAMES].filter((role) => !LEFT_OUT[kind].includes(role));

/** The role that a name stands for; null when it stands for none. */
export const knownRole = (role: string | undefined, kind: DataKind): string | null =>
  role !== undefined && rolesFor(kind).includes(role) ? role : null;

/** Columns with the roles that they play: the mapping that says the same. */
export const knownRoles = (
  data: Pick<DataPreview, "columns" | "roles">,
  kind: DataKind,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    data.columns.flatMap((column) => {
      const role = knownRole(data.roles[column], kind);
      return role === null ? [] : [[column, role] as const];
    }),
  );

/** Columns that an error of the data names, so that their roles can be given although no row could be read. */
export function columnsOf(details: Readonly<Record<string, unknown>>): readonly string[] {
  const { columns } = details;
  return Array.isArray(columns) ? columns.filter((column) => typeof column === "string") : [];
}

/** What a given mapping says of the columns, whichever way it is written. */
export function rolesGiven(mapping: unknown, columns: readonly string[]): Readonly<Record<string, string>> {
  const pairs = typeof mapping === "object" && mapping !== null ? Object.entries(mapping) : [];
  const given = pairs.flatMap(([key, value]) => {
    if (columns.includes(key)) return [[key, String(value)] as const];
    return columns.includes(String(value)) ? [[String(value), key] as const] : [];
  });
  return { ...Object.fromEntries(columns.map((column) => [column, column])), ...Object.fromEntries(given) };
}

/** The preview with the mapping as it is given: what the person chose is in sight at once. */
export function withMapping(data: DataPreview, mapping: unknown): DataPreview {
  const given = rolesGiven(mapping, data.columns);
  const roles = data.columns.map((column) => {
    const read = data.roles[column] ?? column;
    return [column, read === column ? (given[column] ?? column) : read] as const;
  });
  return { ...data, roles: Object.fromEntries(roles) };
}

/** Whether the columns can be learned from, in a sentence. */
export function statusOf(
  data: DataPreview,
  kind: DataKind,
): { readonly ready: boolean; readonly text: string } {
  if (data.rowCount === 0) return { ready: false, text: "There are no rows in this data." };
  const used = Object.entries(knownRoles(data, kind)).map(([column, role]) =>
    role === column ? column : `${column} → ${role}`,
  );
  const columns = used.length > 0 ? `: ${used.join(", ")}` : "";
  return { ready: data.problemTotal < data.rowCount, text: `Ready, read as ${data.format}${columns}.` };
}

interface Message {
  readonly role?: unknown;
  readonly from?: unknown;
  readonly content?: unknown;
  readonly value?: unknown;
}

/** A cell for people: the turns of a chat as lines instead of JSON. */
export function cellText(cell: string): string {
  if (!cell.startsWith("[{")) return cell;
  try {
    const turns: unknown = JSON.parse(cell);
    if (!Array.isArray(turns)) return cell;
    const lines = turns.map((turn: Message) => {
      const who = turn.role ?? turn.from;
      const what = turn.content ?? turn.value;
      return typeof who === "string" && typeof what === "string" ? `${who}: ${what}` : null;
    });
    return lines.includes(null) ? cell : lines.join("\n");
  } catch {
    return cell;
  }
}
