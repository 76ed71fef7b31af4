import { describe, expect, it } from "vitest";
import { entropyQuantile } from "../../../src/kernels/loss/entropy_quantile.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import { quantile as reference } from "../../reference/group_loss.ts";

const gpu = await testGpu();
const CAPACITY = 230;

async function run(
  entropies: readonly number[],
  live: readonly boolean[],
  quantile: number,
  threads: number,
) {
  const rest = new Array<number>(CAPACITY - entropies.length).fill(1e9);
  const args = {
    out: gpu.tensor(
      "out",
      [CAPACITY, 4],
      [...entropies, ...rest].flatMap((entropy) => [-9, entropy, -9, -9]),
    ),
    weights: gpu.tensor("weights", [CAPACITY], [...live.map((on) => (on ? 0.1 : 0)), ...rest]),
    threshold: gpu.tensor("threshold", [2]),
  };
  const options = { quantile, threads };
  await gpu.run((recorder) => entropyQuantile(recorder, args, options), { M: entropies.length });
  return [...(await gpu.read(args.threshold))] as [number, number];
}

describe.each([64, 1])("entropy_quantile, %i threads", (threads) => {
  // One below 0, as rounding leaves it, and many equal ones.
  const entropies = uniforms(5, 227, 0, 4)
    .map((v, m) => (m % 5 === 0 ? 0.25 : v))
    .with(40, Math.fround(-1e-7));
  const mask = uniforms(6, 227, 0, 1).map((v) => v > 0.3);

  it.each([1, 2, 3, 64, 65, 227].flatMap((M) => [0, 0.2, 0.5, 0.8, 0.97, 1].map((q) => [M, q] as const)))(
    "of %i tokens, %d",
    async (M, q) => {
      const given = entropies.slice(0, M);
      const live = mask.slice(0, M).with(0, true);
      const kept = given.filter((_, m) => live[m]);
      const [threshold, share] = await run(given, live, q, threads);
      const expected = reference(kept, q);
      // The two entropies are exact; the place between them is rounded, of a rank up to 227.
      expect(maxError([threshold], [expected])).toBeLessThan(3e-5);
      const reach = kept.filter((entropy) => entropy >= threshold).length;
      expect(maxError([share], [kept.length / reach])).toBeLessThan(1e-6);
    },
  );

  it.each([0, 0.25, 0.5, 0.75, 1])(
    "is one of the entropies, to the bit, where the rank is whole: %d",
    async (q) => {
      const values = entropies.slice(0, 129);
      const [threshold] = await run(values, new Array<boolean>(129).fill(true), q, threads);
      expect(threshold).toBe([...values].sort((a, b) => a - b)[128 * q]);
    },
  );

  it("is 0 of no live token", async () => {
    expect(await run([1, 2], [false, false], 0.5, threads)).toEqual([0, 0]);
  });
});
