import { parseDocument } from "yaml";

/** One changed line of a repair. */
export interface LineChange {
  readonly line: number;
  readonly before: string;
  readonly after: string;
}

/** "`enabled`, `prompts` belong under `sample_logging`. Move them?", as data. */
export interface MoveQuestion {
  /** The key that is empty. */
  readonly parent: string;
  readonly line: number;
  /** The keys beside it that usually stand under it. */
  readonly children: readonly string[];
}

export interface Repair {
  readonly text: string;
  readonly changes: readonly LineChange[];
  /** Whether the text can now be read. */
  readonly readable: boolean;
  readonly questions: readonly MoveQuestion[];
}

const TAB_WIDTH = 2;
const indentOf = (line: string): number => line.length - line.trimStart().length;
const isBlank = (line: string): boolean => line.trim() === "" || line.trimStart().startsWith("#");

/** Tabs at the start of a line, as spaces. */
function spaces(line: string): string {
  const start = /^[ \t]*/.exec(line)?.[0] ?? "";
  return start.includes("\t")
    ? start.replaceAll("\t", " ".repeat(TAB_WIDTH)) + line.slice(start.length)
    : line;
}

/**
 * Published documents often lose indentation: keys of a list item then stand in the dash's own column. Such keys are moved
 * two columns to the right, until a line with a smaller indent (or the next dash).
 */
function indentItems(lines: readonly string[]): string[] {
  const open: OpenItem[] = [];
  return lines.map((line) => {
    if (isBlank(line)) return line;
    const indent = indentOf(line);
    while ((open.at(-1)?.dash ?? -1) > indent) open.pop();
    place(open, indent, line);
    return "  ".repeat(open.filter(({ shifted }) => shifted).length) + line;
  });
}

interface OpenItem {
  readonly dash: number;
  /** A key stood in the dash's column, so that the rest of the item moves. */
  shifted: boolean;
}

function place(open: OpenItem[], indent: number, line: string): void {
  const isItem = /^\s*-(\s|$)/.test(line);
  const top = open.at(-1);
  const level = top?.dash === indent;
  if (level && (isItem || indent === 0)) open.pop();
  else if (level) top.shifted = true;
  // An item that is no mapping has no keys that could have slipped out: the next key is the list's neighbour.
  if (/^\s*-\s+[^\s"'#:][^"'#:]*:(\s|$)/.test(line)) open.push({ dash: indent, shifted: false });
}

/** What usually stands under a mapping whose children may have slipped out of it. */
const CHILDREN: Readonly<Record<string, readonly string[]>> = {
  sample_logging: [
    "enabled",
    "prompts",
    "interval_steps",
    "percent_of_max_steps",
    "max_new_tokens",
    "temperature",
    "top_p",
    "num_samples",
  ],
  params: [
    "reward_function",
    "min_length",
    "max_length",
    "target_length",
    "target_sentiment",
    "model_name",
    "strict",
    "check_correctness",
    "check_reasoning",
    "check_format",
    "test_cases",
    "timeout",
    "keywords",
    "ideal_length",
    "language",
  ],
  column_mapping: [
    "question",
    "answer",
    "prompt",
    "response",
    "instruction",
    "output",
    "input",
    "text",
    "code",
  ],
  quantization: ["load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "bnb_4bit_compute_dtype"],
  lr_scheduler_kwargs: ["num_cycles", "lr_end", "power", "num_decay_steps", "min_lr_ratio", "min_lr_rate"],
};

/** Keys of one block in order: those with the same indent and nothing smaller between them. */
function siblingsAfter(lines: readonly string[], at: number, indent: number): string[] {
  const keys: string[] = [];
  for (const line of lines.slice(at + 1)) {
    if (isBlank(line)) continue;
    const key = /^\s*([\w.-]+)\s*:/.exec(line)?.[1];
    if (indentOf(line) < indent) break;
    if (indentOf(line) === indent && key !== undefined) keys.push(key);
  }
  return keys;
}

/** Known parents that stand empty, with what seems to have slipped out of them. */
export function findQuestions(text: string): readonly MoveQuestion[] {
  const lines = text.split("\n");
  return lines.flatMap((line, i) => {
    const parent = /^\s*(?:-\s+)?([\w.-]+)\s*:\s*(?:#.*)?$/.exec(line)?.[1];
    const usual = parent === undefined ? undefined : CHILDREN[parent];
    if (parent === undefined || usual === undefined) return [];
    const next = lines.slice(i + 1).find((other) => !isBlank(other));
    if (next !== undefined && indentOf(next) > indentOf(line)) return [];
    const after = siblingsAfter(lines, i, indentOf(line));
    const end = after.findIndex((key) => !usual.includes(key));
    const children = end < 0 ? after : after.slice(0, end);
    return children.length === 0 ? [] : [{ parent, line: i + 1, children }];
  });
}

const isReadable = (text: string): boolean =>
  parseDocument(text, { logLevel: "silent", prettyErrors: false }).errors.length === 0;

/** Repairs indentation and tabs, on request only. Says which lines it changed, and asks about keys that slipped out. */
export function repairYaml(text: string): Repair {
  const before = text.split("\n");
  const untabbed = before.map(spaces);
  const plain = untabbed.join("\n");
  const after = isReadable(plain) ? untabbed : indentItems(untabbed);
  const repaired = after.join("\n");
  const changes = after.flatMap((line, i) =>
    line === before[i] ? [] : [{ line: i + 1, before: before[i] ?? "", after: line }],
  );
  return {
    text: repaired,
    changes,
    readable: isReadable(repaired),
    questions: findQuestions(after.join("\n")),
  };
}

/** Moves the children of a question under their parent: its answer "yes". */
export function moveChildren(text: string, question: MoveQuestion): Repair {
  const before = text.split("\n");
  const at = question.line - 1;
  const indent = indentOf(before[at] ?? "");
  let left = question.children.length;
  let moving = true;
  const after = before.map((line, i) => {
    if (i <= at || !moving || isBlank(line)) return line;
    const isKey = indentOf(line) === indent && /^\s*[\w.-]+\s*:/.test(line);
    if (indentOf(line) < indent || (isKey && left === 0)) moving = false;
    else if (isKey) left--;
    return moving ? `  ${line}` : line;
  });
  const moved = after.join("\n");
  const changes = after.flatMap((line, i) =>
    line === before[i] ? [] : [{ line: i + 1, before: before[i] ?? "", after: line }],
  );
  return { text: moved, changes, readable: isReadable(moved), questions: findQuestions(after.join("\n")) };
}
