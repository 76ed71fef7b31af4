import { expect, it } from "vitest";
import { inverseFrequencies, ropeTable } from "../../../src/kernels/rope/tables.ts";
import { maxError } from "../../gpu.ts";

const llama3 = {
  type: "llama3",
  factor: 32,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalMaxPositions: 8192,
} as const;

it("rounds the angles' cosines and sines to f32 only once", () => {
  const table = ropeTable({ theta: 1e4, rotary: 4, positions: 3, scaling: { type: "default" } });
  const row = (angles: number[]) => [...angles.map(Math.cos), ...angles.map(Math.sin)].map(Math.fround);
  expect([...table]).toEqual([row([0, 0]), row([1, 0.01]), row([2, 0.02])].flat());
});

it("divides all frequencies by a linear factor", () => {
  const scaled = inverseFrequencies({ theta: 1e4, rotary: 8, scaling: { type: "linear", factor: 4 } });
  const plain = inverseFrequencies({ theta: 1e4, rotary: 8, scaling: { type: "default" } });
  expect([...scaled]).toEqual([...plain].map((frequency) => frequency / 4));
});

it("keeps llama3's short waves, divides the long, and blends between", () => {
  const plain = inverseFrequencies({ theta: 5e5, rotary: 64, scaling: { type: "default" } });
  const scaled = inverseFrequencies({ theta: 5e5, rotary: 64, scaling: llama3 });
  const ratios = scaled.map((frequency, i) => frequency / (plain[i] as number));
  // Waves under 2,048 tokens are kept, over 8,192 divided: pair 15 is 2,956 long, so s = (8192 / 2956 - 1) / 3 = 0.59.
  const wave = (2 * Math.PI) / (plain[15] as number);
  const smooth = (8192 / wave - 1) / 3;
  expect(maxError([ratios[0] as number, ratios[31] as number], [1, 1 / 32])).toBeLessThan(1e-12);
  expect(ratios[15]).toBeCloseTo((1 - smooth) / 32 + smooth, 12);
});

it("divides each frequency by its longrope factor, short or long, and enlarges the table", () => {
  const scaling = {
    type: "longrope",
    shortFactors: [1, 2],
    longFactors: [4, 8],
    factor: 32,
    originalMaxPositions: 4096,
  } as const;
  const size = Math.sqrt(1 + Math.log(32) / Math.log(4096));
  const row = (a: number, b: number) => [Math.cos(a), Math.cos(b), Math.sin(a), Math.sin(b)];
  for (const [long, angles] of [
    [false, [1, 0.005]],
    [true, [0.25, 0.00125]],
  ] as const) {
    const table = ropeTable({ theta: 1e4, rotary: 4, positions: 2, scaling, long });
    const expected = [...row(0, 0), ...row(angles[0], angles[1])].map((value) => size * value);
    expect(maxError(table, expected)).toBeLessThan(1e-7); // one rounding to f32
  }
});

it("divides exponents by an odd number of channels that was rounded up", () => {
  const angles = { theta: 1e4, rotary: 4, dim: 3, scaling: { type: "default" } } as const;
  expect([...inverseFrequencies(angles)]).toEqual([1, 1e4 ** (-2 / 3)]);
});
