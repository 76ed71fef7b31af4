/** One parameter of a function: its name, or the names that a pattern `{ a, b }` takes apart. */
export interface Parameter {
  readonly name: string | undefined;
  readonly keys: readonly string[] | undefined;
}

const STRING = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/.source;
const BLANKED = new RegExp(String.raw`${STRING}|\/\*[\s\S]*?\*\/|\/\/[^\n]*`, "g");

/** The parts between commas, from `start` to the bracket that closes there. Texts and comments are already blank. */
function splitList(text: string, start: number): readonly string[] {
  const parts = [""];
  let depth = 0;
  for (const sign of text.slice(start)) {
    if (")]}".includes(sign) && depth-- === 0) break;
    if ("([{".includes(sign)) depth++;
    if (sign === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += sign;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

function read(part: string): Parameter {
  if (!part.startsWith("{"))
    return { name: /^[\p{ID_Start}$_][\p{ID_Continue}$]*/u.exec(part)?.[0], keys: undefined };
  const keys = splitList(part, 1).map((entry) => /^[^\s:=]+/.exec(entry)?.[0] ?? "");
  return { name: undefined, keys };
}

/**
 * The parameters of a function, read from its own text, since the language has no other way to ask and TRL's form passes
 * values by name. Of a native or bound function nothing is known.
 */
export function parametersOf(fn: (...values: never[]) => unknown): readonly Parameter[] {
  const text = Function.prototype.toString.call(fn).replace(BLANKED, " ");
  const bare = /^\s*(?:async\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*=>/u.exec(text);
  if (bare) return [{ name: bare[1], keys: undefined }];
  return splitList(text, text.indexOf("(") + 1).map(read);
}
