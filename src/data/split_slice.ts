import { AppError } from "../lib/errors.ts";

/**
 * The part of a file that `split` names: `train[:1000]`, `train[10%:20%]`, as the datasets library cuts. A file is one split,
 * whatever its name. Throws `config-invalid` for a slice that cannot be read or holds no row.
 */
export function sliceOf<T>(split: string, rows: readonly T[]): readonly T[] {
  return rows.slice(...rangeOf(split, rows.length));
}

/** The same of rows that are only counted: the first, and the one behind the last. */
export function rangeOf(split: string, count: number): [from: number, to: number] {
  const match = /^[\w.-]+(?:\[(-?\d+%?)?:(-?\d+%?)?\])?$/.exec(split);
  const at = (text: string | undefined, fallback: number) => {
    if (text === undefined) return fallback;
    const value = Number.parseInt(text, 10);
    const row = text.endsWith("%") ? Math.round((value * count) / 100) : value;
    return Math.min(Math.max(0, row < 0 ? count + row : row), count);
  };
  const [from, to] = match ? [at(match[1], 0), at(match[2], count)] : [0, 0];
  if (from < to || (match && count === 0)) return [from, to];
  const why = match ? `names none of the ${count} rows` : "is no split such as train or train[:1000]";
  throw new AppError("config-invalid", `split: "${split}" ${why}.`, { details: { key: "split" } });
}
