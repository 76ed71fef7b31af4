/** The bytes from `first` up to and including `last`. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Reads the Range header of a request for a file of `size` bytes (RFC 9110, section 14).
 * Returns null where the whole file is the right answer: no header, another unit, several ranges, or a malformed one.
 * Returns "unsatisfiable" (status 416) for a range that lies behind the end.
 */
export function readByteRange(header: string | null, size: number): ByteRange | "unsatisfiable" | null {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === "" && to === "") return null;
  if (from !== "" && to !== "" && Number(to) < Number(from)) return null;
  const first = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return first > last ? "unsatisfiable" : { first, last };
}
