import { ROLES } from "../../config/column_mapping.ts";
import type { DataPreview } from "../../protocol/messages.ts";

/** Roles of the methods that learn from preferences or rewards: they mean nothing here. */
const OTHER_METHODS = new Set(["chosen", "rejected", "reference", "test_cases"]);

/** What a column can be for a method that learns from examples. */
export const EXAMPLE_ROLES: readonly string[] = ROLES.filter((role) => !OTHER_METHODS.has(role));

/** The role that a column plays; null when it plays none. */
export const roleOf = ({ roles }: DataPreview, column: string): string | null => {
  const role = roles[column];
  return role !== undefined && EXAMPLE_ROLES.includes(role) ? role : null;
};

/** Whether the columns can be learned from, in a sentence. */
export function statusOf(data: DataPreview): { readonly ready: boolean; readonly text: string } {
  const used = data.columns.flatMap((column) => {
    const role = roleOf(data, column);
    if (role === null) return [];
    return [role === column ? column : `${column} → ${role}`];
  });
  if (data.rowCount === 0) return { ready: false, text: "There are no rows in this data." };
  if (used.length === 0)
    return {
      ready: false,
      text: `No column has a known role. Found: ${data.columns.join(", ")}. Say in the column headers what each is.`,
    };
  return { ready: data.problemTotal < data.rowCount, text: `Ready: ${used.join(", ")}.` };
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
