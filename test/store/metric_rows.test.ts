import { describe, expect, it } from "vitest";
import type { MetricRow } from "../../src/protocol/runs.ts";
import { mergeRows, metricNames, nonFiniteSteps, pointsOf } from "../../src/store/metric_rows.ts";

const row = (step: number, values: MetricRow["values"], nonFinite: readonly string[] = []): MetricRow => ({
  step,
  values,
  nonFinite,
});

describe("mergeRows", () => {
  it("replaces the steps that a resumed run repeats", () => {
    const rows = mergeRows(
      [row(1, { loss: 3 }), row(2, { loss: 2 })],
      [row(2, { loss: 1 }), row(3, { loss: 0 })],
    );
    expect(rows.map(({ values }) => values["loss"])).toEqual([3, 1, 0]);
  });

  it("puts a late row where its step is", () => {
    const rows = mergeRows([row(1, {}), row(5, {})], [row(3, {}), row(4, {})]);
    expect(rows.map(({ step }) => step)).toEqual([1, 3, 4, 5]);
  });

  it("returns the same rows when nothing was added", () => {
    const rows = [row(1, {})];
    expect(mergeRows(rows, [])).toBe(rows);
  });
});

describe("what a chart takes from rows", () => {
  const rows = [row(1, { loss: 2 }), row(2, { loss: null }, ["loss"]), row(3, { loss: 1, eval_loss: 1.5 })];

  it("has the finite values", () => {
    expect(pointsOf(rows, "loss")).toEqual([
      { step: 1, value: 2 },
      { step: 3, value: 1 },
    ]);
  });

  it("knows where a value was not finite", () => {
    expect(nonFiniteSteps(rows, "loss")).toEqual([2]);
  });

  it("names every metric once", () => {
    expect(metricNames(rows)).toEqual(["loss", "eval_loss"]);
  });
});
