import { describe, expect, it } from "vitest";
import { decodeFloats, encodeFloats, floatToHalf, halfToFloat } from "../../src/formats/dtype.ts";

const values = [0, 1, -1.5, 65504, 2 ** -14, 2 ** -24, -0.333251953125];

describe("16-bit floats", () => {
  it("give every half back", () => {
    const halves = Array.from({ length: 65536 }, (_, half) => half);
    const changed = halves.filter((half) => floatToHalf(halfToFloat(half)) !== half);
    expect(changed.every((half) => Number.isNaN(halfToFloat(half)))).toBe(true);
    expect(halfToFloat(floatToHalf(Number.NaN))).toBeNaN();
  });

  it.each([
    [2049, 2048],
    [2051, 2052],
    [65519.99, 65504],
    [65520, Number.POSITIVE_INFINITY],
    [-1e30, Number.NEGATIVE_INFINITY],
    [2 ** -25, 0],
    [2 ** -25 * 1.0001, 2 ** -24],
    [2 ** -24 * 1.5, 2 ** -23],
  ])("round %d to %d", (value, rounded) => {
    expect(halfToFloat(floatToHalf(value))).toBe(rounded);
  });

  it("decode what was encoded", () => {
    const input = new Float32Array(values);
    expect(decodeFloats(encodeFloats(input, "F16"), "F16")).toEqual(input);
    expect(decodeFloats(encodeFloats(input, "F32"), "F32")).toEqual(input);
    const brain = decodeFloats(
      encodeFloats(new Float32Array([1.00390625, 1.01171875, -3, Number.NaN, 1e38]), "BF16"),
      "BF16",
    );
    expect([...brain]).toEqual([1, 1.015625, -3, Number.NaN, Math.fround(9.969209968386869e37)]);
  });

  it("decode from any place in a buffer, and from F64", () => {
    const bytes = new Uint8Array(3 + 16);
    bytes.set(new Uint8Array(new Float64Array([0.1, -7]).buffer), 3);
    expect(decodeFloats(bytes.subarray(3), "F64")).toEqual(new Float32Array([0.1, -7]));
  });

  it("are refused when cut, and integers always", () => {
    expect(() => decodeFloats(new Uint8Array(3), "F16", "w")).toThrow(
      "w: 3 bytes are no whole number of F16",
    );
    expect(() => decodeFloats(new Uint8Array(8), "I64", "w")).toThrow("w is I64");
  });
});
