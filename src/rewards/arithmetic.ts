import { plainText } from "./numbers.ts";

const TOKEN = /\s*(?:((?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)|(\*\*|[-+*/^()%]))/y;
/** Nobody writes longer ones by hand; the limit also bounds the depth of brackets. */
const MOST_TOKENS = 100;

function tokens(text: string): (number | string)[] | undefined {
  const found: (number | string)[] = [];
  const source = text.replace(/[×·]/g, "*").replaceAll("÷", "/").replaceAll("$", "").trim();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source);
    if (match === null || found.length >= MOST_TOKENS) return undefined;
    const [, digits, sign = ""] = match;
    found.push(digits === undefined ? sign : Number(digits.replaceAll(",", "")));
  }
  return found;
}

/** Recursive descent over one list of tokens; NaN for what is no expression. */
class Reader {
  readonly #tokens: readonly (number | string)[];
  #at = 0;

  constructor(list: readonly (number | string)[]) {
    this.#tokens = list;
  }

  whole(): number {
    const value = this.#sum();
    return this.#at === this.#tokens.length ? value : Number.NaN;
  }

  #take(...signs: readonly string[]): string | undefined {
    const next = this.#tokens[this.#at];
    if (typeof next !== "string" || !signs.includes(next)) return undefined;
    this.#at++;
    return next;
  }

  #sum(): number {
    let value = this.#product();
    for (let sign = this.#take("+", "-"); sign !== undefined; sign = this.#take("+", "-"))
      value = sign === "+" ? value + this.#product() : value - this.#product();
    return value;
  }

  #product(): number {
    let value = this.#signed();
    for (let sign = this.#take("*", "/"); sign !== undefined; sign = this.#take("*", "/"))
      value = sign === "*" ? value * this.#signed() : value / this.#signed();
    return value;
  }

  #signed(): number {
    if (this.#take("-") !== undefined) return -this.#signed();
    return this.#take("+") === undefined ? this.#power() : this.#signed();
  }

  #power(): number {
    const base = this.#share();
    return this.#take("^", "**") === undefined ? base : base ** this.#signed();
  }

  #share(): number {
    let value = this.#atom();
    while (this.#take("%") !== undefined) value /= 100;
    return value;
  }

  #atom(): number {
    const next = this.#tokens[this.#at];
    if (typeof next === "number") {
      this.#at++;
      return next;
    }
    if (this.#take("(") === undefined) return Number.NaN;
    const value = this.#sum();
    return this.#take(")") === undefined ? Number.NaN : value;
  }
}

/** The value of an arithmetic expression: + - * / ^ % brackets, with $ and thousands separators. Undefined for all else. */
export function evaluate(text: string): number | undefined {
  const list = tokens(text);
  if (list === undefined || list.length === 0) return undefined;
  const value = new Reader(list).whole();
  return Number.isFinite(value) ? value : undefined;
}

const hasOperation = (text: string): boolean => /[\d)%]\s*[-+*/×·÷^]/.test(text);

export interface Equation {
  readonly left: number;
  readonly right: number;
}

/** The equations of a text that have an operation on at least one side; a = b = c are two. */
export function equationsIn(text: string): readonly Equation[] {
  const lines = plainText(text)
    .replace(/^[^\S\n]*(?:[-*•]|\d+[.)])[^\S\n]+/gm, "")
    .replace(/(?<=\d)\s*x\s*(?=[\d$(])/g, "×");
  const chunks = lines.match(/[-+*/×·÷^()%$\d.,= \t]+/g) ?? [];
  const chains = chunks.flatMap((chunk) => chunk.split(/[.,](?=\s|$)/));
  return chains.flatMap((chain) => {
    const sides = chain.split("=").map((side) => ({ value: evaluate(side), operates: hasOperation(side) }));
    return sides.slice(1).flatMap((right, i): Equation[] => {
      const left = sides[i];
      if (left?.value === undefined || right.value === undefined || !(left.operates || right.operates))
        return [];
      return [{ left: left.value, right: right.value }];
    });
  });
}
