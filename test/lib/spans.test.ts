import { describe, expect, it } from "vitest";
import { Random } from "../../src/lib/random.ts";
import { missingOf, type Span, sizeOf, withSpan } from "../../src/lib/spans.ts";

describe("a set of bytes", () => {
  it.each<[string, Span[], Span, Span[]]>([
    ["begins empty", [], [2, 4], [[2, 4]]],
    ["grows at an end", [[0, 2]], [2, 4], [[0, 4]]],
    ["grows at a start", [[4, 6]], [2, 4], [[2, 6]]],
    [
      "closes a hole",
      [
        [0, 2],
        [4, 6],
        [9, 10],
      ],
      [2, 4],
      [
        [0, 6],
        [9, 10],
      ],
    ],
    [
      "swallows what it covers",
      [
        [1, 2],
        [3, 4],
      ],
      [0, 9],
      [[0, 9]],
    ],
    [
      "keeps what is apart",
      [
        [0, 1],
        [8, 9],
      ],
      [3, 4],
      [
        [0, 1],
        [3, 4],
        [8, 9],
      ],
    ],
    ["takes nothing of nothing", [[0, 1]], [5, 5], [[0, 1]]],
  ])("%s", (_, spans, span, expected) => {
    expect(withSpan(spans, span)).toEqual(expected);
  });

  it("knows what of a span it lacks", () => {
    const spans: Span[] = [
      [2, 4],
      [6, 8],
    ];
    expect(missingOf(spans, [0, 10])).toEqual([
      [0, 2],
      [4, 6],
      [8, 10],
    ]);
    expect(missingOf(spans, [2, 4])).toEqual([]);
    expect(missingOf(spans, [3, 7])).toEqual([[4, 6]]);
    expect(missingOf(spans, [4, 6])).toEqual([[4, 6]]);
    expect(missingOf([], [1, 1])).toEqual([]);
    expect(sizeOf(spans)).toBe(4);
  });

  it("agrees with a list of flags, whatever comes", () => {
    const random = new Random(3);
    const flags = new Array<boolean>(64).fill(false);
    let spans: readonly Span[] = [];
    for (let i = 0; i < 40; i++) {
      const start = random.integer(64);
      const end = Math.min(64, start + random.integer(6));
      flags.fill(true, start, end);
      spans = withSpan(spans, [start, end]);
      expect(sizeOf(spans)).toBe(flags.filter(Boolean).length);
      const missing = missingOf(spans, [0, 64]);
      expect(missing.every(([from, to]) => flags.slice(from, to).every((flag) => !flag))).toBe(true);
      expect(sizeOf(missing)).toBe(64 - sizeOf(spans));
    }
  });
});
