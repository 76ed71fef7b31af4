import { describe, expect, it } from "vitest";
import { formatBytes } from "../../src/lib/format_bytes.ts";
import {
  formatDuration,
  formatMetric,
  formatRate,
  formatValue,
  NONE,
  plural,
  shorten,
} from "../../src/ui/format.ts";

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1500, "1.5 kB"],
    [1_842_704, "1.8 MB"],
    [999_960, "1.0 MB"],
    [5_100_000_000, "5.1 GB"],
  ])("writes %d as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe("formatRate", () => {
  it.each([
    [2e-4, "2e-4"],
    [0.003, "3e-3"],
    [0.01, "0.01"],
    [1.5e-5, "1.5e-5"],
    [0, "0"],
    [2e5, "2e5"],
  ])("writes %d as %s", (rate, text) => expect(formatRate(rate)).toBe(text));
});

describe("formatMetric", () => {
  it.each([
    [3.1044, "3.104"],
    [0.42, "0.420"],
    [12.411, "12.41"],
    [0.0421, "0.0421"],
    [1240.4, "1,240"],
    [0, "0"],
    [2e-5, "2e-5"],
  ])("writes %d as %s", (value, text) => expect(formatMetric(value)).toBe(text));

  it("writes what is no number as a dash", () => {
    expect(formatMetric(Number.NaN)).toBe(NONE);
    expect(formatMetric(null)).toBe(NONE);
  });
});

describe("formatDuration", () => {
  it.each([
    [4.4, "4 s"],
    [59.6, "1 m 00 s"],
    [65, "1 m 05 s"],
    [7380, "2 h 03 m"],
    [-3, "0 s"],
  ])("writes %d seconds as %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));
});

describe("words", () => {
  it("counts", () => {
    expect(plural(1, "row")).toBe("1 row");
    expect(plural(1200, "row")).toBe("1,200 rows");
  });

  it("keeps both ends of a long name", () => {
    const short = shorten("models/some-owner/some-very-long-name-of-a-model", 20);
    expect(short).toHaveLength(20);
    expect(short).toMatch(/^models.*….*model$/);
  });

  it("writes values of settings", () => {
    expect([true, null, 0.0002, ["a"], "x"].map(formatValue)).toEqual(["on", NONE, "2e-4", '["a"]', "x"]);
  });
});
