import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLParseError,
  type YAMLWarning,
} from "yaml";
import type { ConfigIssue } from "./issues.ts";
import { type ImportReview, type ReadOptions, readSettings } from "./read_settings.ts";
import { findQuestions, type MoveQuestion, repairYaml } from "./repair_yaml.ts";
import type { NotUsedEntry } from "./settle.ts";

const MOST_BYTES = 1024 * 1024;
const MOST_ALIASES = 100;

/** A problem of the text itself also says in which column, and what would repair it. */
export interface TextProblem extends ConfigIssue {
  readonly column?: number | undefined;
  /** `repairYaml` can be offered. */
  readonly repair?: "indentation" | "tabs" | undefined;
}

/** The import of a text: what `readSettings` says, and what is wrong with the text. */
export interface TextReview extends ImportReview {
  /** The text that was read: repaired, when that was asked for and needed. */
  readonly text: string;
  readonly problems: readonly TextProblem[];
  /** Another tool whose file this looks like. */
  readonly looksLike: string | undefined;
  /** Keys that seem to have slipped out of their parent; `moveChildren` puts them back. */
  readonly questions: readonly MoveQuestion[];
}

/** Messages of the YAML reader that need other words. */
const WORDS: Readonly<Record<string, string>> = {
  BAD_INDENT: "The indentation does not fit: keys of one mapping must begin in the same column.",
  TAB_AS_INDENT: "A tab is used to indent, which YAML forbids. Use spaces.",
  MULTILINE_IMPLICIT_KEY: "A key goes over several lines; a colon or a quote is probably missing.",
  MISSING_CHAR: "Something is not closed: a quote, a bracket or a colon is missing.",
  MULTIPLE_DOCS: "The file holds several documents, set apart by ---. Keep one of them.",
  BLOCK_AS_IMPLICIT_KEY: "Two values follow each other on one line, or the indentation does not fit.",
};

type TextReading = Omit<TextReview, "text">;

const failed = (message: string): TextReading => ({
  algorithm: undefined,
  values: {},
  at: {},
  used: [],
  changed: [],
  notUsed: [],
  problems: [{ path: "", line: 1, message }],
  looksLike: undefined,
  questions: [],
});

const INDENTATION = new Set(["BAD_INDENT", "BLOCK_AS_IMPLICIT_KEY", "MULTILINE_IMPLICIT_KEY"]);

function repairOf(code: string, tabs: boolean): TextProblem["repair"] {
  if (code === "TAB_AS_INDENT" || (tabs && INDENTATION.has(code))) return "tabs";
  return INDENTATION.has(code) ? "indentation" : undefined;
}

function textProblem(error: YAMLParseError, rows: readonly string[], tabs: boolean): TextProblem {
  const { line, col } = error.linePos?.[0] ?? { line: 1, col: 1 };
  const key = /^\s*(?:-\s+)?([^:]+):/.exec(rows[line - 1] ?? "")?.[1]?.trim();
  const at = { line, column: col, repair: repairOf(error.code, tabs) };
  if (error.code === "DUPLICATE_KEY" && key !== undefined) {
    return { ...at, path: key, message: `${key} appears twice in the same mapping. Keep one of them.` };
  }
  const said = error.message.split("\n")[0]?.replace(/ at line \d+, column \d+:?$/, ".");
  return { ...at, path: "", message: WORDS[error.code] ?? said ?? error.code };
}

function countAliases(doc: Document.Parsed): number {
  let count = 0;
  visit(doc, {
    Alias() {
      count++;
    },
  });
  return count;
}

/** The node at a path, following keys and indices as far as they go. */
function nodeAt(doc: Document.Parsed, path: readonly (string | number)[]): Node | null {
  let at: unknown = doc.contents;
  let line: Node | null = doc.contents;
  for (const step of path) {
    if (isAlias(at)) at = at.resolve(doc);
    if (isMap(at)) {
      const pair = at.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!pair) return line;
      line = pair.key as Node;
      at = pair.value;
    } else if (at !== null && typeof at === "object" && "items" in at && Array.isArray(at.items)) {
      const item: unknown = at.items[Number(step)];
      line = (item as Node | undefined) ?? line;
      at = item;
    } else return line;
  }
  return line;
}

const SIGNS: readonly (readonly [string, readonly string[]])[] = [
  ["LLaMA-Factory", ["finetuning_type", "lora_target", "cutoff_len", "stage", "template", "do_train"]],
  [
    "Axolotl",
    ["sequence_len", "micro_batch_size", "sample_packing", "val_set_size", "lora_target_linear", "adapter"],
  ],
  ["AutoTrain", ["project_name", "params", "hub", "task", "log"]],
];

function looksLike(source: unknown): string | undefined {
  if (typeof source !== "object" || source === null) return undefined;
  const keys = Object.keys(source);
  return SIGNS.find(([, signs]) => signs.filter((sign) => keys.includes(sign)).length >= 3)?.[0];
}

export interface ParseOptions extends Omit<ReadOptions, "lineOf"> {
  /** Repairs indentation and tabs when the text cannot be read otherwise, and lists the lines under `changed`. */
  readonly repair?: boolean;
}

/**
 * Reads the text of a configuration, YAML or JSON, flat, nested or recipe-wrapped. Never throws for what is in it: what is
 * wrong is in `problems`, each with its line, and what could be read is there all the same.
 */
export function parseConfig(text: string, options: ParseOptions = {}): TextReview {
  const refused = (why: string): TextReview => ({ ...failed(why), text });
  if (new TextEncoder().encode(text).length > MOST_BYTES) {
    return refused(
      "This file is larger than 1 MiB, which no configuration is. Is it a dataset? Open it as data instead.",
    );
  }
  const source = text.replace(/^\uFEFF/, "");
  if (source.trim() === "") {
    return refused("This file is empty. A configuration has settings such as learning_rate: 0.0001.");
  }
  const review = parseText(source, options);
  if (options.repair !== true || review.problems.every((problem) => problem.repair === undefined))
    return { ...review, text: source };
  const { text: repaired, changes, readable } = repairYaml(source);
  if (!readable) return { ...review, text: source };
  const better = parseText(repaired, options);
  const why = "The indentation did not fit and was repaired.";
  const lines = changes.map(({ line, before, after }) => ({
    path: "",
    key: "",
    line,
    from: before,
    to: after,
    why,
  }));
  return { ...better, text: repaired, changed: [...lines, ...better.changed] };
}

function parseText(source: string, options: ParseOptions): TextReading {
  const lines = new LineCounter();
  const doc = parseDocument(source, {
    lineCounter: lines,
    version: "1.2",
    uniqueKeys: true,
    merge: true,
    logLevel: "error",
  });
  if (countAliases(doc) > MOST_ALIASES) {
    return failed(
      `This file repeats parts of itself more than ${MOST_ALIASES} times (YAML aliases). Write them out.`,
    );
  }
  const rows = source.split("\n");
  const tabs = rows.some((row) => /^ *\t/.test(row));
  const problems = doc.errors.map((error) => textProblem(error, rows, tabs));
  if (problems.some((problem) => problem.repair !== undefined)) return { ...failed(""), problems };
  const value = toPlain(doc, problems);
  if (value === undefined) return { ...failed(""), problems };
  const review = readSettings(value, {
    ...options,
    lineOf: (path) => {
      const offset = nodeAt(doc, path)?.range?.[0];
      return offset === undefined ? undefined : lines.linePos(offset).line;
    },
  });
  return {
    ...review,
    notUsed: [...review.notUsed, ...doc.warnings.flatMap(unknownTag)],
    problems: [...problems, ...review.problems],
    looksLike: looksLike(value),
    questions: findQuestions(source),
  };
}

/** A list or mapping in brackets, a number, a flag or null as in YAML; anything else is a text as it stands. */
function readAssigned(text: string): unknown {
  if (!/^\s*([[{].*[\]}]|true|false|null|[-+]?[\d.][\d.eE+-]*)\s*$/s.test(text)) return text;
  const doc = parseDocument(text, { logLevel: "silent" });
  return doc.errors.length > 0 || countAliases(doc) > 0 ? text : (doc.toJS() as unknown);
}

/** Reads `key=value` pairs, as the command line takes them. */
export function parseAssignments(pairs: readonly string[], options: ParseOptions = {}): ImportReview {
  const entries = pairs.map((pair): [string, unknown] => {
    const at = pair.indexOf("=");
    return at < 0 ? [pair, true] : [pair.slice(0, at).trim(), readAssigned(pair.slice(at + 1))];
  });
  return readSettings(Object.fromEntries(entries), options);
}

function unknownTag(warning: YAMLWarning): NotUsedEntry[] {
  if (warning.code !== "TAG_RESOLVE_FAILED") return [];
  const tag = /!\S*/.exec(warning.message)?.[0] ?? "A tag";
  const why = `${tag} means something to a Python program only; the text after it was read.`;
  return [{ path: "", line: warning.linePos?.[0]?.line, why }];
}

function toPlain(doc: Document.Parsed, problems: TextProblem[]): unknown {
  try {
    return doc.toJS({ maxAliasCount: MOST_ALIASES }) as unknown;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    problems.push({
      path: "",
      line: 1,
      message: `The file cannot be read: ${message}. Write out what its aliases stand for.`,
    });
    return undefined;
  }
}
