import { NUMBER_IN_TEXT, numbersIn, plainText, readNumber, sameNumber } from "./numbers.ts";

interface Mark {
  readonly at: number;
  readonly text: string;
}

/** What stands in the braces that open at `from`, with inner braces matched; undefined when they never close. */
function braced(text: string, from: number): string | undefined {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return text.slice(from + 1, i);
  }
  return undefined;
}

const boxes = (text: string): readonly Mark[] =>
  [...text.matchAll(/\\(?:boxed|fbox)\s*(?=\{)/g)].flatMap((match) => {
    const inside = braced(text, match.index + match[0].length);
    return inside === undefined ? [] : [{ at: match.index, text: inside }];
  });
/** "#### 72" anywhere, and any "#### Paris" that ends the text: elsewhere #### with words is a heading. */
const hashes = (text: string): readonly Mark[] =>
  [...text.matchAll(/####[^\S\n]*([^\n]*)/g)].flatMap((match) => {
    const [whole, said = ""] = match;
    const isLast = text.slice(match.index + whole.length).trim() === "";
    return isLast || /^[^\p{L}]*\d/u.test(said) ? [{ at: match.index, text: said }] : [];
  });
const tags = (text: string): readonly Mark[] =>
  [...text.matchAll(/<answer>([\s\S]*?)<\/answer>/gi)].map((match) => ({
    at: match.index,
    text: match[1] ?? "",
  }));

/** The answer that a text marks last: after ####, in <answer> tags, or in \boxed{}, which may stand in either. */
export function markedAnswer(text: string): string | undefined {
  const marks = [...hashes(text), ...tags(text), ...boxes(text)].filter((mark) => mark.text.trim() !== "");
  return marks
    .reduce<Mark | undefined>((last, mark) => (last && last.at > mark.at ? last : mark), undefined)
    ?.text.trim();
}

/** What follows "the answer is" or "Answer:" on its line, the last time that it is said, up to the sentence's end. */
export function statedAnswer(text: string): string | undefined {
  const said = [...text.matchAll(/\banswer[*_\s]*(?:is|are|was|:|=)[*_: \t]*/gi)].at(-1);
  if (said === undefined) return undefined;
  const line = text.slice(said.index + said[0].length).split("\n")[0] ?? "";
  return line.split(/[.!?](?=\s|$)/)[0]?.trim() || undefined;
}

/** Case, spacing, quotes, emphasis and the full stop make no difference. */
export const comparable = (text: string): string =>
  plainText(text)
    .toLowerCase()
    .replaceAll("$", "")
    .replace(/\s+/g, " ")
    .replace(/ ?([^\p{L}\p{N} ]) ?/gu, "$1")
    .replace(/^["'`*_]+|["'`*_.,;:!?]+$/g, "")
    .trim();

const afterEquals = (text: string): string => text.slice(text.lastIndexOf("=") + 1).trim();

/** The number of a text that says one number and otherwise only words, such as "18 dollars"; "2x" and "(3, 4)" are none. */
function numberWithUnit(text: string): number | undefined {
  const whole = readNumber(text);
  if (whole !== undefined) return whole;
  const found = numbersIn(text);
  const rest = plainText(text)
    .replace(NUMBER_IN_TEXT, " ")
    .replace(/\p{L}{2,}/gu, "");
  return found.length === 1 && /^[\s.,;:!?*_%$€£'"-]*$/.test(rest) ? found[0] : undefined;
}

export interface GoldAnswer {
  readonly text: string;
  readonly number: number | undefined;
}

/**
 * The answer of a reference: what it marks (a GSM8K solution with ####, \boxed{}); else the whole of it; of a worked solution
 * without a mark what it states as its answer, else its last number. Null when it is empty.
 */
export function goldAnswer(reference: string): GoldAnswer | null {
  const marked = markedAnswer(reference);
  const text = (marked ?? reference).trim();
  if (text === "") return null;
  const part = marked === undefined ? text : afterEquals(text);
  // A name such as Apollo 11 is no number; "18 apples" is.
  const number =
    marked !== undefined || /^[^\p{L}]*\d/u.test(plainText(part)) ? numberWithUnit(part) : undefined;
  const isWorked = marked === undefined && number === undefined && /\n|[.!?]\s+\S/.test(text);
  if (!isWorked) return { text: part, number };
  const stated = statedAnswer(text);
  if (stated !== undefined) return { text: stated, number: numberWithUnit(afterEquals(stated)) };
  return { text, number: numbersIn(text).at(-1) };
}

export interface AnswerRules {
  readonly tolerance: number;
  readonly markedOnly: boolean;
}

function isGold(text: string, gold: GoldAnswer, tolerance: number): boolean {
  const part = afterEquals(text);
  const number = gold.number === undefined ? undefined : numberWithUnit(part);
  if (gold.number !== undefined && number !== undefined) return sameNumber(number, gold.number, tolerance);
  return comparable(text) === comparable(gold.text) || comparable(part) === comparable(gold.text);
}

/**
 * Whether a completion's final answer is that of the reference: the marked one; else the stated one; else the whole
 * completion; else, for numbers, its last number. What is thought before </think> does not count. Null without a reference.
 */
export function isRightAnswer(
  completion: string,
  reference: string | null,
  rules: AnswerRules,
): boolean | null {
  const gold = reference === null ? null : goldAnswer(reference);
  if (gold === null) return null;
  const { tolerance, markedOnly } = rules;
  const text = completion.split("</think>").at(-1) ?? "";
  const marked = markedAnswer(text);
  if (marked !== undefined) return isGold(marked, gold, tolerance);
  if (markedOnly) return false;
  if (isGold(text, gold, tolerance)) return true;
  const stated = statedAnswer(text);
  if (gold.number === undefined) return stated !== undefined && isGold(stated, gold, tolerance);
  const first =
    stated === undefined
      ? undefined
      : (numberWithUnit(afterEquals(stated)) ?? numbersIn(afterEquals(stated))[0]);
  const number = first ?? numbersIn(text).at(-1);
  return number !== undefined && sameNumber(number, gold.number, tolerance);
}
