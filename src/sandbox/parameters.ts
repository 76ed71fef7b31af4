/** What a function says of one parameter. */
export interface Parameter {
  /** Undefined for a pattern. */
  readonly name: string | undefined;
  /** The keys that a pattern `{ a, b: c }` takes, or undefined for a plain name. */
  readonly keys: readonly string[] | undefined;
  readonly rest: boolean;
}

const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/**
 * The parameters of a JavaScript function, read from its text: the language has no other way to ask, and TRL's form passes
 * its values by name. Types must be gone. A native or bound function has none.
 */
export function parametersOf(source: string): readonly Parameter[] {
  const text = withoutComments(source);
  const arrow = /^\s*(?:async\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*=>/u.exec(text);
  if (arrow) return [read(arrow[1] ?? "")];
  const open = text.indexOf("(");
  if (open < 0) return [];
  return splitList(text, open + 1)
    .filter((part) => part.trim() !== "")
    .map(read);
}

function read(part: string): Parameter {
  const text = part.trim();
  const rest = text.startsWith("...");
  const bare = rest ? text.slice(3).trim() : text;
  if (!bare.startsWith("{")) return { name: /^[^\s=[]+/.exec(bare)?.[0], keys: undefined, rest };
  const keys = splitList(bare, 1).flatMap((entry) => {
    const name = /^\s*["']?([^\s"':=.]+)/.exec(entry)?.[1];
    return name === undefined ? [] : [name];
  });
  return { name: undefined, keys, rest };
}

/** The parts between commas from `start` up to the bracket that closes there. */
function splitList(text: string, start: number): string[] {
  const parts: string[] = [];
  let from = start;
  let at = start;
  while (at < text.length && !")]}".includes(text[at] ?? "")) {
    if (text[at] === ",") {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
    at = endOfUnit(text, at);
  }
  return [...parts, text.slice(from, at)];
}

/** Behind the string or the pair of brackets that begins here, or behind the one character. */
function endOfUnit(text: string, start: number): number {
  const sign = text[start] ?? "";
  if (sign === '"' || sign === "'" || sign === "`") return endOfString(text, start) + 1;
  const closing = CLOSING[sign];
  if (closing === undefined) return start + 1;
  let at = start + 1;
  while (at < text.length && text[at] !== closing) at = endOfUnit(text, at);
  return at + 1;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== text[start]) at += text[at] === "\\" ? 2 : 1;
  return at;
}

/** Comments as blanks. Strings stay: what looks like a comment in one is none. */
function withoutComments(text: string): string {
  return text.replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (found) =>
    found.startsWith("/") ? " " : found,
  );
}
