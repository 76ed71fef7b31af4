import type { RowPurpose } from "./row_format.ts";

/** What a role may be called, the likelier first; the role's own name comes before all. */
interface Role {
  readonly role: string;
  readonly names: readonly string[];
  /** Rows can be read without it. */
  readonly optional?: true;
}

export type SchemaName = "sft" | "text" | "dpo" | "grpo" | "qa" | "summarization" | "code";

/** AlignTune's schemas of columns: what is looked for when no known format fits. */
const SCHEMAS: Readonly<Record<SchemaName, readonly Role[]>> = {
  sft: [
    {
      role: "prompt",
      names: words("instruction input question query user_input content dialogue source history system"),
    },
    {
      role: "response",
      names: words("completion output answer target summary ground_truth text destination label"),
    },
  ],
  text: [{ role: "text", names: words("content document body article story passage") }],
  dpo: [
    { role: "prompt", names: words("instruction input question history system user_input"), optional: true },
    {
      role: "chosen",
      names: words("chosen_response better_response winner response_j positive good chosen_text"),
    },
    {
      role: "rejected",
      names: words("rejected_response worse_response loser response_k negative bad rejected_text"),
    },
  ],
  grpo: [
    { role: "prompt", names: words("instruction input question history query user_input problem task") },
    { role: "response", names: words("completion output answer target"), optional: true },
  ],
  qa: [
    { role: "context", names: words("document passage background text article") },
    { role: "question", names: words("query input prompt") },
    { role: "answer", names: words("answers output response label ground_truth") },
  ],
  summarization: [
    { role: "document", names: words("text article dialogue content input source context") },
    { role: "summary", names: words("target output abstract highlights response completion label") },
  ],
  code: [
    { role: "prompt", names: words("text instruction input question description problem task") },
    { role: "test_cases", names: words("test_list tests test assertions examples") },
    { role: "code", names: words("completion canonical_solution solution reference answer"), optional: true },
  ],
};

export interface Guess {
  /** Role to column, also where both have one name. */
  readonly roles: ReadonlyMap<string, string>;
  /** Roles that rows cannot be read without and that no column has. */
  readonly missing: readonly string[];
}

/** Which column plays which role of a schema, by its name, upper and lower case aside. No column plays two. */
export function guessRoles(schema: SchemaName, columns: readonly string[]): Guess {
  const roles = new Map<string, string>();
  const left = new Set(columns);
  const take = (role: string, names: readonly string[]): void => {
    const column =
      names.find((name) => left.has(name)) ??
      names.map((name) => [...left].find((other) => other.toLowerCase() === name)).find((found) => found);
    if (column === undefined || roles.has(role)) return;
    roles.set(role, column);
    left.delete(column);
  };
  // Columns that are called by a role play it, before any is taken for another.
  for (const { role } of SCHEMAS[schema]) take(role, [role]);
  for (const { role, names } of SCHEMAS[schema]) take(role, names);
  const missing = SCHEMAS[schema].filter(({ role, optional }) => !optional && !roles.has(role));
  return { roles, missing: missing.map(({ role }) => role) };
}

/** The schema of rows for a purpose. */
export const schemaOf = (purpose: RowPurpose): SchemaName =>
  (({ sft: "sft", preference: "dpo", prompt: "grpo" }) as const)[purpose];

/** "2 of 3 needed columns found: ..." for a message; undefined when none was. */
export function describeGuess(schema: SchemaName, { roles }: Guess): string | undefined {
  const needed = SCHEMAS[schema].filter(
    ({ role, optional }) => !optional || roles.has(role) || schema === "dpo",
  );
  const found = needed.filter(({ role }) => roles.has(role));
  if (found.length === 0) return undefined;
  const named = found.map(({ role }) => {
    const column = roles.get(role);
    return column === role ? role : `${column} as the ${role}`;
  });
  const lacking = needed.filter(({ role }) => !roles.has(role));
  const sought = lacking.map(({ role, names }) => `${role} (or ${names.slice(0, 3).join(", ")})`);
  const rest = lacking.length === 0 ? "" : ` Missing: ${sought.join("; ")}.`;
  return `${found.length} of ${needed.length} needed columns found: ${named.join(", ")}.${rest}`;
}

function words(text: string): readonly string[] {
  return text.split(" ");
}
