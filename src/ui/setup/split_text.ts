/** A split as settings write it, in its two parts: `train[:100]` is the first 100 rows of train. */
export interface SplitParts {
  readonly name: string;
  /** What is between the brackets; empty for all rows. */
  readonly slice: string;
}

export function splitParts(split: string): SplitParts {
  const [, name = split, slice = ""] = /^([^[]*)(?:\[(.*)\])?$/.exec(split) ?? [];
  return { name, slice };
}

const SLICE = /^(-?\d+%?)?:(-?\d+%?)?$/;

/** What was typed as a slice: with or without brackets or the split's name; `100` alone is the first 100. Null when it is none. */
export function readSlice(text: string): string | null {
  const inner = /\[(.*)\]$/.exec(text.trim())?.[1] ?? text;
  const plain = inner.replace(/\s+/g, "");
  if (plain === "" || plain === ":") return "";
  if (/^\d+%?$/.test(plain)) return `:${plain}`;
  return SLICE.test(plain) ? plain : null;
}

export const joinSplit = ({ name, slice }: SplitParts): string => (slice === "" ? name : `${name}[${slice}]`);
