import type { Encoding } from "./formats/text_lines.ts";

/** Called for every record that is not blank: its bytes [start, end) in the file, and its first line, counted from 1. */
export type OnRecord = (start: number, end: number, line: number) => void;

/** Finds where the records of a text file begin and end, without reading what they say. */
export interface RecordScanner {
  /** The next bytes of the file, which begin at `at`. */
  feed(bytes: Uint8Array, at: number): void;
  /** The file ends here. */
  finish(end: number): void;
  /** Where the record that is not at its end yet began. */
  readonly open: { readonly start: number; readonly line: number };
}

export interface ScanStart {
  readonly at: number;
  readonly line: number;
}

const [TAB, NEWLINE, RETURN, SPACE, QUOTE] = [0x09, 0x0a, 0x0d, 0x20, 0x22];

/** A record is a line. UTF-16 units are two bytes, so a line end counts only at an even place. */
export function lineScanner(from: ScanStart, encoding: Encoding, onRecord: OnRecord): RecordScanner {
  const width = encoding === "utf-8" ? 1 : 2;
  const low = encoding === "utf-16be" ? 1 : 0;
  let { at: start, line } = from;
  let blank = true;
  const close = (end: number) => {
    if (!blank) onRecord(start, end, line);
    blank = true;
  };
  return {
    get open() {
      return { start, line };
    },
    feed(bytes, at) {
      for (let i = 0; ; ) {
        const stop = width === 1 ? bytes.indexOf(NEWLINE, i) : wideNewline(bytes, i, low);
        blank &&= isBlank(bytes, i, stop < 0 ? bytes.length : stop, width, low);
        if (stop < 0) return;
        close(at + stop);
        i = stop + width;
        start = at + i;
        line += 1;
      }
    },
    finish: close,
  };
}

function wideNewline(bytes: Uint8Array, from: number, low: number): number {
  for (let i = from; i + 1 < bytes.length; i += 2) {
    if (bytes[i + low] === NEWLINE && bytes[i + 1 - low] === 0) return i;
  }
  return -1;
}

const isSpace = (byte: number | undefined) =>
  byte === SPACE || (byte !== undefined && byte >= TAB && byte <= RETURN);

function isBlank(bytes: Uint8Array, from: number, to: number, width: number, low: number): boolean {
  for (let i = from; i < to; i += width) {
    if (!isSpace(bytes[i + low])) return false;
    if (width === 2 && bytes[i + 1 - low] !== 0) return false;
  }
  return true;
}

/** Where a byte of a CSV stands: what a quote or a line end means follows from it. */
const [FIELD_START, BARE, QUOTED, BEHIND_QUOTE] = [0, 1, 2, 3];

/** A record of CSV (UTF-8) may hold line ends inside quotes; a quote opens at the beginning of a value only. */
export function delimitedScanner(from: ScanStart, delimiter: string, onRecord: OnRecord): RecordScanner {
  const cut = delimiter.charCodeAt(0);
  let { at: start, line } = from;
  let next = line;
  let blank = true;
  let place = FIELD_START;
  const close = (end: number) => {
    if (!blank) onRecord(start, end, line);
    blank = true;
    place = FIELD_START;
  };
  return {
    get open() {
      return { start, line };
    },
    feed(bytes, at) {
      for (let i = 0; i < bytes.length; i++) {
        const byte = bytes[i];
        if (byte === NEWLINE) {
          next += 1;
          if (place === QUOTED) continue;
          close(at + i);
          start = at + i + 1;
          line = next;
        } else {
          if (blank) blank = byte === cut || isSpace(byte);
          place = placeAfter(place, byte, cut);
        }
      }
    },
    finish: close,
  };
}

function placeAfter(place: number, byte: number | undefined, cut: number): number {
  if (place === QUOTED) return byte === QUOTE ? BEHIND_QUOTE : QUOTED;
  if (byte === cut) return FIELD_START;
  if (place === BARE) return BARE;
  if (place === FIELD_START) return byte === QUOTE ? QUOTED : BARE;
  // Twice is a quote that the value holds; before anything but the end of the value it closes nothing.
  return isSpace(byte) ? BEHIND_QUOTE : QUOTED;
}
