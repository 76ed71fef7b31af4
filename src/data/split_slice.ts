import { AppError } from "../lib/errors.ts";

interface Bound {
  readonly value: number;
  readonly percent: boolean;
}

/** One term of a split such as `train[10%:20%]`. */
export interface SplitPart {
  /** As it was written. */
  readonly term: string;
  readonly split: string;
  readonly from: Bound | undefined;
  readonly to: Bound | undefined;
  readonly rounding: "closest" | "pct1_dropremainder";
}

/** Half-open range of rows. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

const TERM =
  /^(?<split>[\w.-]+)(?:\[(?:(?<from>-?[\d_]+)(?<fromPercent>%)?)?:(?:(?<to>-?[\d_]+)(?<toPercent>%)?)?\])?(?:\((?<rounding>closest|pct1_dropremainder)\))?$/;

/**
 * The terms of a split: `train`, `train[:1000]`, `train[10%:20%]`, `train[-50:]`, `train+test[:10]`, in the grammar of the
 * datasets library. Throws `config-invalid`.
 */
export function parseSplit(split: string): readonly SplitPart[] {
  return split.split("+").map((term) => parseTerm(split, term.trim()));
}

function parseTerm(split: string, term: string): SplitPart {
  const found = TERM.exec(term)?.groups;
  if (found === undefined)
    throw invalid(split, "is no split such as train, train[:1000], train[10%:20%] or train+test");
  const bound = (text: string | undefined, percent: string | undefined): Bound | undefined => {
    if (text === undefined) return undefined;
    const value = Number.parseInt(text.replaceAll("_", ""), 10);
    if (!Number.isSafeInteger(value)) throw invalid(split, `has a bound that is no number: ${text}`);
    if (percent !== undefined && Math.abs(value) > 100)
      throw invalid(split, `has a bound of ${value}%; percentages go from -100 to 100`);
    return { value, percent: percent !== undefined };
  };
  const { split: name = "", from, fromPercent, to, toPercent, rounding } = found;
  return {
    term,
    split: name,
    from: bound(from, fromPercent),
    to: bound(to, toPercent),
    rounding: rounding === "pct1_dropremainder" ? rounding : "closest",
  };
}

/** Which of `count` rows a term means. Throws `config-invalid` for what one percent cannot be taken of. */
export function rangeOfPart(part: SplitPart, count: number): RowRange {
  const at = (bound: Bound | undefined, fallback: number): number => {
    if (bound === undefined) return fallback;
    const value = bound.percent ? ofHundred(part, bound.value, count) : bound.value;
    return Math.min(value < 0 ? Math.max(0, count + value) : value, count);
  };
  const from = at(part.from, 0);
  return { from, to: Math.max(from, at(part.to, count)) };
}

function ofHundred({ term, rounding }: SplitPart, percent: number, count: number): number {
  if (rounding === "closest") return roundHalfEven((percent * count) / 100);
  if (count < 100)
    throw invalid(term, `has ${count} rows; pct1_dropremainder needs 100 or more, so leave it out`);
  return percent * Math.trunc(count / 100);
}

/** Python's round, by which the datasets library finds its bounds. */
function roundHalfEven(value: number): number {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** Which rows of a file or split are read. */
export interface RowSelection {
  /** The term, for messages. */
  readonly term: string;
  /** The range, where it is known without knowing how many rows there are. */
  readonly known: RowRange | undefined;
  range(count: number): RowRange;
}

export interface SelectionOptions {
  /** Of the rows that the slice names; null takes all. */
  readonly percent: number | null;
  /** At most this many; null sets no limit. */
  readonly limit: number | null;
}

/** The rows of a slice, of these a share, of these at most so many. */
export function selectRows(part: SplitPart, { percent, limit }: SelectionOptions): RowSelection {
  const range = (count: number): RowRange => {
    const { from, to } = rangeOfPart(part, count);
    const length = to - from;
    const share =
      percent === null || length === 0 ? length : Math.max(1, Math.ceil((length * percent) / 100));
    return { from, to: from + Math.min(share, limit ?? share) };
  };
  const absolute = (bound: Bound | undefined) => bound === undefined || (!bound.percent && bound.value >= 0);
  const isKnown = percent === null && absolute(part.from) && absolute(part.to);
  return { term: part.term, known: isKnown ? range(Number.POSITIVE_INFINITY) : undefined, range };
}

/** `config-invalid`: a slice that names no row. */
export const emptySlice = (split: string, count: number): AppError =>
  invalid(split, `names none of the ${count} rows`);

function invalid(split: string, why: string): AppError {
  return new AppError("config-invalid", `split: "${split}" ${why}.`, { details: { key: "split" } });
}
