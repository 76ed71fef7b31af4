/**
 * A library's own words for what is wrong with a file, or `otherwise` where it has none: a stumble over what is not there
 * (TypeError) or over a number out of range tells a person nothing about the file.
 */
export function wordsOf(cause: unknown, otherwise: string): string {
  if (!(cause instanceof Error) || cause instanceof TypeError || cause instanceof RangeError)
    return otherwise;
  return cause.message === "" || /\b(undefined|NaN)\b/.test(cause.message) ? otherwise : cause.message;
}
