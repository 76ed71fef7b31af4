import { describe, expect, it } from "vitest";
import type { MetricRow } from "../../src/protocol/messages.ts";
import { align, paddedRange, sampled, smooth, smoothingFor, trend } from "../../src/ui/chart/series.ts";
import { formatMetric } from "../../src/ui/format.ts";
import { changedWords } from "../../src/ui/run/changed_words.ts";
import { coachLine, risingSince } from "../../src/ui/run/coach.ts";

const losses = (values: readonly number[]): readonly MetricRow[] =>
  values.map((loss, i) => ({ step: i + 1, values: { loss }, nonFinite: [] }));
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
});

describe("coachLine", () => {
  it("opens with the method's own sentence", () => {
    expect(coachLine(losses([3]), "Loss should go down.")).toBe("Loss should go down.");
  });

  it("says how far the loss has fallen", () => {
    expect(coachLine(losses([3, 2.5, 2, 1.5, 1, 0.5]), "")).toContain("from 3.000 to 0.500");
  });

  it("says that a loss has exploded", () => {
    expect(coachLine(losses([1, 0.5, 0.4, 9, 30, 90, 90]), "")).toContain("lower learning rate");
  });

  it("says where the loss was not a number", () => {
    const rows = [...losses([1, 1]), { step: 3, values: { loss: null }, nonFinite: ["loss"] }];
    expect(coachLine(rows, "")).toContain("first at step 3");
  });

  it("says since when the evaluation loss rises", () => {
    const rows = [3, 1, 1.1, 1.2, 1.3].map((value, i) => ({
      step: (i + 1) * 10,
      values: { loss: 3 - i / 2, eval_loss: value },
      nonFinite: [],
    }));
    expect(risingSince(rows, "eval_loss")).toEqual({ step: 20, times: 3 });
    expect(coachLine(rows, "")).toContain("since step 20");
  });
});
