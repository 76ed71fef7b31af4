/**
 * Shell patterns for the paths of a repository: ** any folders, * within one, ?, [set] and {one,other}. They come from files
 * of strangers: the time to match one is its length times that of the path, whatever is written in it.
 */

/** One sign of a pattern. `within` may repeat without a slash, `across` with. */
type Token =
  | { readonly kind: "within" | "across" | "folders" | "one" }
  | { readonly kind: "sign"; readonly sign: string }
  | {
      readonly kind: "set";
      readonly isNot: boolean;
      readonly ranges: readonly (readonly [string, string])[];
    };

/** Longer patterns, and more alternatives than these, name no file that a person meant. */
const LONGEST = 1024;
const MOST = 256;

/** Whether a path is one that the pattern names. */
export function globOf(pattern: string): (path: string) => boolean {
  const plain = pattern.replace(/^\.\//, "");
  const alternatives = plain.length > LONGEST ? [] : expand(plain).map(tokensOf);
  return (path) => alternatives.some((tokens) => matches(tokens, path));
}

/** {a,b} as two patterns. A brace without an end is a sign as any other. */
function expand(pattern: string): readonly string[] {
  let done: string[] = [];
  const waiting = [pattern];
  while (waiting.length > 0) {
    if (done.length + waiting.length > MOST) return [];
    const next = waiting.pop() ?? "";
    // The innermost braces first: those within others become parts of several patterns.
    const [whole, before = "", inner = "", after = ""] = /^(.*)\{([^{}]*)\}(.*)$/s.exec(next) ?? [];
    if (whole === undefined) done = [...done, next];
    else waiting.push(...inner.split(",").map((part) => before + part + after));
  }
  return done;
}

function tokensOf(pattern: string): readonly Token[] {
  const signs = /\*\*\/|\*+|\?|\[(!|\^)?(\]?[^\]]*)\]|[\s\S]/gu;
  return Array.from(pattern.matchAll(signs), ([text, not, set]): Token => {
    if (text === "**/") return { kind: "folders" };
    if (text.startsWith("**")) return { kind: "across" };
    if (text === "*") return { kind: "within" };
    if (text === "?") return { kind: "one" };
    if (set === undefined || set === "") return { kind: "sign", sign: text };
    const ranges = Array.from(set.matchAll(/([\s\S])-([\s\S])|[\s\S]/gu), ([one, from = one, to = one]) => {
      return [from, to] as const;
    });
    return { kind: "set", isNot: not !== undefined, ranges };
  });
}

/** Follows all places of the pattern that a part of the path leads to, sign by sign. */
function matches(tokens: readonly Token[], path: string): boolean {
  let places = new Set<number>();
  enter(tokens, places, 0);
  for (const sign of path) {
    const next = new Set<number>();
    for (const place of places) follow(tokens, place, sign, next);
    places = next;
  }
  return places.has(tokens.length);
}

function follow(tokens: readonly Token[], place: number, sign: string, next: Set<number>): void {
  const token = tokens[place];
  if (token === undefined) return;
  if (token.kind === "folders") {
    next.add(place);
    if (sign === "/") enter(tokens, next, place + 1);
  } else if (fits(token, sign)) enter(tokens, next, repeats(token) ? place : place + 1);
}

const repeats = ({ kind }: Token): boolean => kind === "within" || kind === "across";

/** A place, and those behind it that may be had without a sign. */
function enter(tokens: readonly Token[], places: Set<number>, from: number): void {
  for (let place = from; ; place++) {
    places.add(place);
    const token = tokens[place];
    if (token === undefined || !(repeats(token) || token.kind === "folders")) return;
  }
}

function fits(token: Token, sign: string): boolean {
  switch (token.kind) {
    case "sign":
      return sign === token.sign;
    case "across":
      return true;
    case "set":
      return sign !== "/" && token.isNot !== token.ranges.some(([from, to]) => from <= sign && sign <= to);
    default:
      return sign !== "/";
  }
}
