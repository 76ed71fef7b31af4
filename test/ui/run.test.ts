import { describe, expect, it } from "vitest";
import {
  align,
  bandOf,
  columnsOf,
  paddedRange,
  sampled,
  smooth,
  smoothingFor,
  trend,
} from "../../src/ui/chart/series.ts";
import { formatMetric } from "../../src/ui/format.ts";
import { changedWords } from "../../src/ui/run/changed_words.ts";

const marked = (before: string, after: string): readonly string[] =>
  changedWords(before, after).flatMap(({ text, changed }) => (changed ? [text] : []));

describe("changedWords", () => {
  it("marks what was added, with the space between", () => {
    expect(marked("Tom likes corn.", "Ahoy captain! Tom likes corn, arr!")).toEqual([
      "Ahoy captain!",
      "arr!",
    ]);
  });

  it("marks nothing in the same text", () => {
    expect(marked("a b c", "a b c")).toEqual([]);
  });

  it("keeps the whole text", () => {
    const text = "  two  spaces\nand a line ";
    expect(
      changedWords("other", text)
        .map((piece) => piece.text)
        .join(""),
    ).toBe(text);
  });
});

describe("smooth", () => {
  it("begins at the first point", () => {
    expect(smooth([{ step: 1, value: 5 }], 0.9)[0]?.value).toBeCloseTo(5, 12);
  });

  it("leaves a constant alone", () => {
    const flat = Array.from({ length: 20 }, (_, i) => ({ step: i, value: 2 }));
    for (const { value } of smooth(flat, 0.8)) expect(value).toBeCloseTo(2, 12);
  });
});

describe("smoothingFor", () => {
  it("lags less in a short run", () => {
    expect(smoothingFor(64)).toBeLessThan(smoothingFor(500));
    expect(smoothingFor(500)).toBeLessThan(smoothingFor(5000));
  });
});

describe("align", () => {
  it("puts series of different steps over one axis", () => {
    const { steps, values } = align([
      [
        { step: 1, value: 3 },
        { step: 2, value: 2 },
      ],
      [{ step: 2, value: 9 }],
    ]);
    expect(steps).toEqual([1, 2]);
    expect(values).toEqual([
      [3, 2],
      [null, 9],
    ]);
  });
});

describe("the sentence of a chart", () => {
  const say = (values: readonly number[]): string =>
    trend(
      "Loss",
      values.map((value, i) => ({ step: i + 1, value })),
      formatMetric,
    );

  it.each([
    [[], "Loss has no points yet."],
    [[2], "Loss is 2.000 at step 1."],
    [[3.1, 0.42], "Loss fell from 3.100 at step 1 to 0.420 at step 2."],
    [[1, 2], "Loss rose from 1.000 at step 1 to 2.000 at step 2."],
    [[2, 2.001], "Loss stayed near 2.001 from step 1 to step 2."],
  ])("of %j is %s", (values, sentence) => expect(say(values)).toBe(sentence));
});

describe("sampled", () => {
  it("keeps the ends", () => {
    const items = Array.from({ length: 1000 }, (_, i) => i);
    const few = sampled(items, 50);
    expect(few).toHaveLength(50);
    expect([few[0], few.at(-1)]).toEqual([0, 999]);
  });
});

describe("paddedRange", () => {
  it("leaves room round the data, and has a range without any", () => {
    expect(paddedRange(0, 100)).toEqual([-8, 108]);
    expect(paddedRange(null, null)).toEqual([0, 1]);
    expect(paddedRange(2, 2)[1]).toBeGreaterThan(2);
  });

  it("takes values for one that differ by a rounding only", () => {
    const [low, high] = paddedRange(Math.LN2 - Number.EPSILON, Math.LN2);
    expect(high - low).toBeGreaterThan(0.05);
    expect(paddedRange(0, 1e-9)[1]).toBeLessThan(1e-8);
  });
});

describe("a band", () => {
  const points = [
    { step: 1, value: 0.5 },
    { step: 2, value: 0.75 },
  ];
  const spread = { name: "reward_std", points: [{ step: 2, value: 0.25 }] };

  it("lies on both sides of the mean where a spread is known", () => {
    expect(bandOf(points, spread)).toEqual({
      upper: [{ step: 2, value: 1 }],
      lower: [{ step: 2, value: 0.5 }],
    });
  });

  it("is a column of its own in the table and the file", () => {
    const columns = columnsOf([{ name: "reward", title: "Reward", points, colour: 1, spread }]);
    expect(columns.map(({ name }) => name)).toEqual(["reward", "reward_std"]);
  });
});
