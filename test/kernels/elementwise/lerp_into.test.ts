import { describe, expect, it } from "vitest";
import { lerpInto } from "../../../src/kernels/elementwise/lerp_into.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import { lerp } from "../../reference/elementwise.ts";

const gpu = await testGpu();
const [SIZE, COUNT] = [803, 777] as const;
const x = uniforms(1, SIZE);
const before = uniforms(2, SIZE);

async function run(alpha: number, count: number = COUNT, from: readonly number[] = x) {
  const args = { x: gpu.tensor("x", [11, 73], from), y: gpu.tensor("y", [SIZE], before) };
  await gpu.run((recorder) => lerpInto(recorder, args, { count, alpha }));
  return [...(await gpu.read(args.y))];
}

describe("lerp_into", () => {
  it.each([0.6, 0.01])("moves the elements in use by %d", async (alpha) => {
    const y = await run(alpha);
    // A difference, a product and a sum of numbers up to 2.
    expect(maxError(y.slice(0, COUNT), lerp(x, before, alpha).slice(0, COUNT))).toBeLessThan(3e-7);
    expect(y.slice(COUNT)).toEqual(before.slice(COUNT));
  });

  it("leaves them or copies them, to the bit, at the ends", async () => {
    expect(await run(0)).toEqual(before);
    expect(await run(1, SIZE)).toEqual(x);
  });

  it("shows a NaN", async () => {
    const y = await run(0.5, COUNT, x.with(5, Number.NaN));
    expect(y.findIndex(Number.isNaN)).toBe(5);
    expect(y.filter(Number.isNaN)).toHaveLength(1);
  });

  it("refuses to go past the end", async () => {
    await expect(run(0.5, SIZE + 1)).rejects.toThrow(/804 elements of 803/);
  });
});
