import { describe, expect, it } from "vitest";
import { Random } from "../../src/lib/random.ts";

describe("Random", () => {
  it("continues from its counter as if it had never stopped", () => {
    const whole = new Random(7, 3);
    const first = Array.from({ length: 20 }, () => whole.next());
    const resumed = new Random(7, 3, 10);
    expect(Array.from({ length: 10 }, () => resumed.next())).toEqual(first.slice(10));
  });

  it("gives different streams for different seeds and stream numbers", () => {
    const heads = [new Random(1, 0), new Random(2, 0), new Random(1, 1)].map((r) => r.next());
    expect(new Set(heads).size).toBe(3);
  });

  it("permutes without losing or repeating an element", () => {
    const order = new Random(5).permutation(1000);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
  });

  it("has the mean and variance of the standard normal", () => {
    const random = new Random(11);
    const xs = Array.from({ length: 20_000 }, () => random.normal());
    const mean = xs.reduce((a, b) => a + b, 0) / xs.length;
    const variance = xs.reduce((a, b) => a + (b - mean) ** 2, 0) / xs.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });
});
