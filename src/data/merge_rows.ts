import { ProblemList } from "./row_problem.ts";
import type { RowFile } from "./rows.ts";

/** The rows of several files as those of one. Each keeps its lines; problems say which file they are of. */
export function mergeRows(name: string, files: readonly [RowFile, ...RowFile[]]): RowFile {
  const [first] = files;
  const problems = new ProblemList();
  const counts: Record<string, number> = {};
  for (const file of files) {
    for (const problem of file.problems)
      problems.add({ ...problem, message: `${file.name}: ${problem.message}` });
    for (const [kind, count] of Object.entries(file.problemCounts))
      counts[kind] = (counts[kind] ?? 0) + count;
  }
  return {
    ...first,
    name,
    rows: files.flatMap(({ rows }) => rows),
    lines: files.flatMap(({ lines }) => lines),
    columns: [...new Set(files.flatMap(({ columns }) => columns))],
    problems: problems.kept,
    problemCounts: counts,
    problemTotal: files.reduce((sum, { problemTotal }) => sum + problemTotal, 0),
  };
}
