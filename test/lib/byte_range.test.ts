import { describe, expect, it } from "vitest";
import { readByteRange } from "../../src/lib/byte_range.ts";

describe("a range of a file of 10 bytes", () => {
  it.each([
    ["bytes=2-4", { first: 2, last: 4 }],
    ["bytes=7-", { first: 7, last: 9 }],
    ["bytes=-3", { first: 7, last: 9 }],
    ["bytes=-30", { first: 0, last: 9 }],
    ["bytes=8-100", { first: 8, last: 9 }],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=4-2", null],
    ["bytes=-", null],
    ["bytes=0-1,4-5", null],
    ["items=0-1", null],
    [null, null],
  ])("%j is %j", (header, expected) => {
    expect(readByteRange(header, 10)).toEqual(expected);
  });

  it("cannot be satisfied where the file is empty", () => {
    expect(readByteRange("bytes=0-", 0)).toBe("unsatisfiable");
  });
});
