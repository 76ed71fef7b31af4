import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { isRecord } from "../formats/json.ts";
import { AppError } from "../lib/errors.ts";
import { wordsOf } from "../lib/words_of.ts";

/**
 * A Jinja text as transformers compiles it (trim_blocks, lstrip_blocks) with these globals. The result renders it
 * with further variables. Both throw `template-invalid`; `details.refused` says that the template can be read but not
 * rendered with these variables (it calls raise_exception, or finds something missing).
 */
export function compileTemplate(
  text: string,
  globals: Readonly<Record<string, unknown>>,
  model: string,
): (variables: Readonly<Record<string, unknown>>) => string {
  const program = attempt(
    () => {
      const parsed = parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true }));
      callStripFunctions(parsed);
      return parsed;
    },
    `The chat template of ${model} cannot be read`,
    false,
  );
  return (variables) => {
    const scope = new Environment();
    const values = { ...GLOBALS, ...STRIP_FUNCTIONS, ...globals, ...variables };
    for (const [name, value] of Object.entries(values)) scope.set(name, value);
    const result = attempt(
      () => new Interpreter(scope).run(program).value,
      `The chat template of ${model} refuses this conversation`,
      true,
    );
    return String(result);
  };
}

const GLOBALS = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  raise_exception: (message: unknown) => {
    throw new Error(String(message));
  },
  range: (first: number, second?: number, step = 1) => {
    const [start, stop] = typeof second === "number" ? [first, second] : [0, first];
    const count = Math.max(0, Math.ceil((stop - start) / step));
    return Array.from({ length: count }, (_, i) => start + i * step);
  },
};

const STRIP: Readonly<Record<string, string>> = {
  strip: "strip_characters",
  lstrip: "lstrip_characters",
  rstrip: "rstrip_characters",
};
const STRIP_FUNCTIONS = {
  strip_characters: (text: string, set: string) => stripEnd(stripStart(text, set), set),
  lstrip_characters: stripStart,
  rstrip_characters: stripEnd,
};

/**
 * The library's strip, lstrip and rstrip pass over their argument and cut all white space (0.5.11), which would change
 * answers in Qwen3's template (`content.lstrip('\\n')`). Calls with an argument become calls of our own functions.
 */
function callStripFunctions(node: unknown): void {
  if (Array.isArray(node)) for (const child of node) callStripFunctions(child);
  if (!isRecord(node)) return;
  for (const child of Object.values(node)) callStripFunctions(child);
  const { type, callee, args } = node;
  if (type !== "CallExpression" || !Array.isArray(args) || args.length === 0 || !isRecord(callee)) return;
  const { object, property, computed } = callee;
  if (callee["type"] !== "MemberExpression" || computed === true || !isRecord(property)) return;
  const name = STRIP[String(property["value"])];
  if (name === undefined) return;
  node["args"] = [object, ...args];
  node["callee"] = Object.assign(property, { value: name });
}

function stripStart(text: string, set: string): string {
  let start = 0;
  while (start < text.length && set.includes(text.charAt(start))) start++;
  return text.slice(start);
}

function stripEnd(text: string, set: string): string {
  let end = text.length;
  while (end > 0 && set.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

function attempt<T>(run: () => T, what: string, refused: boolean): T {
  try {
    return run();
  } catch (cause) {
    const why = wordsOf(cause, "it uses something that is not there, or lacks a part");
    throw new AppError("template-invalid", `${what}: ${why}`, {
      details: { refused },
      cause,
    });
  }
}
