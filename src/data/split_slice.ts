import { AppError } from "../lib/errors.ts";

/**
 * The part of a file that `split` names: `train[:1000]`, `train[10%:20%]`, as the datasets library cuts. A file is one split,
 * whatever its name. Throws `config-invalid` for a slice that cannot be read or holds no row.
 */
export function sliceOf<T>(split: string, rows: readonly T[]): readonly T[] {
  const match = /^[\w.-]+(?:\[(-?\d+%?)?:(-?\d+%?)?\])?$/.exec(split);
  const at = (text: string | undefined, fallback: number) => {
    if (text === undefined) return fallback;
    const value = Number.parseInt(text, 10);
    return text.endsWith("%") ? Math.round((value * rows.length) / 100) : value;
  };
  const part = match ? rows.slice(at(match[1], 0), at(match[2], rows.length)) : [];
  if (part.length > 0 || (match && rows.length === 0)) return part;
  const why = match ? `names none of the ${rows.length} rows` : "is no split such as train or train[:1000]";
  throw new AppError("config-invalid", `split: "${split}" ${why}.`, { details: { key: "split" } });
}
