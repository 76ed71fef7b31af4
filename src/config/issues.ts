import { AppError } from "../lib/errors.ts";

/** Where a value was written. */
export interface Place {
  /** As in the file: `train.beta`, `rewards.0.weight`. */
  readonly path: string;
  /** 1-based; absent for values that did not come from text. */
  readonly line?: number | undefined;
}

/** One thing that must change before a run can start. */
export interface ConfigIssue extends Place {
  readonly message: string;
  /** What was probably meant: a key or a value. */
  readonly suggestion?: string | undefined;
}

/** `line 4, train.beta: message`, one a line. */
export const describeIssues = (issues: readonly ConfigIssue[]): string =>
  issues
    .map(({ path, line, message, suggestion }) => {
      const where = line === undefined ? "" : `line ${line}: `;
      const start = message.startsWith(path) || path === "" ? "" : `${path}: `;
      return `${where}${start}${message}${suggestion ? ` Did you mean ${suggestion}?` : ""}`;
    })
    .join("\n");

/** All issues in one error: its message lists them for a terminal, `details.issues` for the page. */
export function configInvalid(issues: readonly ConfigIssue[]): AppError {
  const count = issues.length === 1 ? "One setting has" : `${issues.length} settings have`;
  return new AppError(
    "config-invalid",
    `${count} to change before the run can start.\n${describeIssues(issues)}`,
    {
      details: { issues: issues.map((issue) => ({ ...issue })) },
    },
  );
}
