import type { ExampleBody } from "./example.ts";
import type { Row } from "./message.ts";
import { ask, SYSTEM } from "./read_row.ts";
import { columnOf, needText, optionalText, RowRefusal } from "./row_fields.ts";
import { columnNamed, has, type ReadOptions, type RowFormat } from "./row_format.ts";

const DOCUMENTS = ["document", "article", "dialogue", "report"];
const SUMMARIES = ["summary", "highlights", "abstract"];
/** Rewards find the tests of a task under one name, whatever the dataset calls them: code to be run after the answer. */
const TESTS = "test_cases";

/** Formats of datasets with a task of their own: code with tests, and summaries. */
export const TASK_FORMATS: readonly RowFormat[] = [
  {
    id: "mbpp",
    special: true,
    label: "task and code with tests (MBPP)",
    purposes: ["sft", "prompt"],
    needs: "text or prompt with code and test_list",
    columns: ["text", "prompt", "code", "test_list", TESTS, ...SYSTEM],
    // Columns that were mapped to a prompt and its answer are what the person says they are.
    fits: ({ columns, purpose }) =>
      columnNamed(columns, ["text", "prompt"]) !== undefined &&
      (columns.includes("code")
        ? columnNamed(columns, ["test_list", TESTS]) !== undefined
        : purpose === "prompt" && columns.includes(TESTS)),
    read: mbpp,
    added: (row) => ({ [TESTS]: [...setupOf(row), ...testsOf(row)] }),
  },
  {
    id: "humaneval",
    special: true,
    label: "function to complete (HumanEval)",
    purposes: ["sft", "prompt"],
    needs: "prompt and canonical_solution with test and entry_point",
    columns: ["prompt", "canonical_solution", "test", "entry_point", ...SYSTEM],
    fits: ({ columns }) => has(columns, "prompt", "canonical_solution", "test", "entry_point"),
    read: humaneval,
    added: (row) => ({ [TESTS]: [`${needText(row, ["test"])}\n\ncheck(${needText(row, ["entry_point"])})`] }),
  },
  {
    id: "summarization",
    label: "document and summary",
    purposes: ["sft", "prompt"],
    needs: "document (or article, dialogue) with summary (or highlights, abstract)",
    columns: [...DOCUMENTS, ...SUMMARIES, ...SYSTEM],
    fits: ({ columns }) =>
      columnNamed(columns, DOCUMENTS) !== undefined && columnNamed(columns, SUMMARIES) !== undefined,
    read(row, options) {
      const summary = columnOf(row, SUMMARIES);
      const named = summary === undefined ? row : { ...row, reference: row[summary] };
      return ask(named, options, {
        question: "Summarize the following text.",
        input: needText(row, DOCUMENTS),
        answer: () => needText(row, SUMMARIES),
      });
    },
  },
];

/** The tests tell what the function is called and takes: nothing else in a row does. */
function mbpp(row: Row, options: ReadOptions): ExampleBody {
  const tests = testsOf(row);
  if (tests.length === 0) throw new RowRefusal("empty", "`test_list` holds no test.");
  return ask(row, options, {
    question: `${needText(row, ["text", "prompt"])}\nYour code should pass these tests:`,
    input: tests.join("\n"),
    answer: () => needText(row, ["code"]),
  });
}

function testsOf(row: Row): string[] {
  const name = columnOf(row, ["test_list", TESTS]);
  const value = name === undefined ? [] : row[name];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((test): test is string => typeof test === "string" && test.trim() !== "");
}

/** What must run before the tests: MBPP's setup code, or the imports of its sanitized part. */
function setupOf(row: Row): string[] {
  const { test_setup_code: setup, test_imports: imports } = row;
  const list: readonly unknown[] = Array.isArray(imports) ? imports : [setup];
  return list.filter((code): code is string => typeof code === "string" && code.trim() !== "");
}

function humaneval(row: Row, options: ReadOptions): ExampleBody {
  const start = needText(row, ["prompt"]);
  if (!options.hasTemplate) {
    // Without a chat the model continues the code itself.
    const reference = optionalText(row, ["canonical_solution"]) ?? null;
    if (options.purpose === "prompt") return { kind: "prompt", prompt: start, reference };
    return {
      kind: "prompt_completion",
      prompt: start,
      completion: needText(row, ["canonical_solution"]),
    };
  }
  return ask(row, options, {
    question: "Complete the following Python function. Answer with the whole function.",
    input: start.trim(),
    answer: () => start + needText(row, ["canonical_solution"]),
  });
}
