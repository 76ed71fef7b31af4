import { describe, expect, it } from "vitest";
import { sampleFilter } from "../../../src/kernels/sample/sample_filter.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import { capped, kept, PLAIN, type SampleSettings } from "../../reference/sample.ts";

const gpu = await testGpu();
const DROPPED = Math.fround(-1e30);

async function run(
  rows: readonly (readonly number[])[],
  seen: readonly ReadonlySet<number>[],
  settings: SampleSettings,
  threads: number,
  count = rows.length,
) {
  const V = rows[0]?.length ?? 0;
  const words = Math.ceil(V / 32);
  const bits = new Uint32Array(rows.length * words);
  seen.forEach((tokens, row) => {
    for (const v of tokens) {
      const at = row * words + Math.floor(v / 32);
      bits[at] = ((bits[at] ?? 0) | (1 << (v % 32))) >>> 0;
    }
  });
  const args = {
    z: gpu.tensor("z", [rows.length, V], rows.flat()),
    seen: gpu.tensor("seen", [rows.length, words], bits),
    stats: gpu.tensor("stats", [rows.length, 4]),
  };
  const { softcap, ...step } = settings;
  await gpu.run((recorder) => sampleFilter(recorder, args, { vocab: V, softcap, threads }), {
    R: count,
    ...step,
  });
  const z = await gpu.read(args.z);
  const left = rows.map((_, row) => [...z.slice(row * V, (row + 1) * V)]);
  const stats = await gpu.read(args.stats);
  return {
    stats: rows.map((_, row) => [...stats.slice(4 * row, 4 * row + 4)]),
    left,
    kept: left.map((row) => row.flatMap((v, i) => (v === DROPPED ? [] : [i]))),
  };
}

/** log softmax gives probabilities .3 .2 .15 .1 .08 .06 .05 .03 .02 .01, shuffled. */
const ten = [0.05, 0.3, 0.01, 0.1, 0.2, 0.06, 0.15, 0.02, 0.08, 0.03].map((p) => Math.fround(Math.log(p)));
const nothing = new Set<number>();

describe.each([256, 1])("sample_filter, %i threads", (threads) => {
  it.each([
    [{}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [{ top_k: 3 }, [1, 4, 6]],
    [{ top_k: 1 }, [1]],
    [{ top_k: 10 }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [{ top_p: 0.4 }, [1, 4]],
    [{ top_p: 0.6 }, [1, 4, 6]],
    [{ top_p: 0.9 }, [0, 1, 3, 4, 5, 6, 8]],
    [{ top_p: 0 }, [1]],
    [{ top_p: 0.999 }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [{ min_p: 0.3 }, [1, 3, 4, 6]],
    [{ min_p: 1 }, [1]],
    // Of .3 .2 .15 alone, .3 is 0.46 and .3 + .2 is 0.77: top-p looks at what top-k left.
    [{ top_k: 3, top_p: 0.7 }, [1, 4]],
    [{ top_k: 4, top_p: 0.9, min_p: 0.6 }, [1, 4]],
    // At half the temperature, probabilities are squared: .09 .04 .0225 .01 ...
    [{ temperature: 0.5, min_p: 0.2 }, [1, 4, 6]],
    [{ temperature: 0, top_k: 1 }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ] as const)("keeps of ten tokens, with %o, those that Hugging Face keeps", async (given, expected) => {
    const settings = { ...PLAIN, ...given };
    expect(kept(ten, nothing, settings)).toEqual(expected);
    const actual = await run([ten], [nothing], settings, threads);
    expect(actual.kept[0]).toEqual(expected);
    expect(actual.left[0]?.filter((v) => v !== DROPPED)).toEqual(
      ten.filter((_, v) => expected.includes(v as never)),
    );
  });

  it("keeps all equals of the last one kept, and -0 equals 0", async () => {
    const z = [0, -1, -0, 2, 2, -1];
    for (const [given, expected] of [
      [{ top_k: 1 }, [3, 4]],
      [{ top_k: 3 }, [0, 2, 3, 4]],
      [{ top_p: 0.5 }, [3, 4]],
      [{ top_p: 0.9 }, [0, 2, 3, 4]],
    ] as const) {
      const actual = await run([z], [nothing], { ...PLAIN, ...given }, threads);
      expect(actual.kept[0]).toEqual(expected);
    }
  });

  it("penalises tokens seen: divides what is positive, multiplies what is negative", async () => {
    const z = [2, 1.9, -1, -1.1, 0.5];
    const settings = { ...PLAIN, penalty: 1.5, top_k: 2 };
    const actual = await run([z, z], [new Set([0, 2]), nothing], settings, threads);
    // Row 0: 1.33 1.9 -1.5 -1.1 0.5.
    expect(actual.kept).toEqual([
      [0, 1],
      [0, 1],
    ]);
    const three = await run([z, z], [new Set([0, 1, 2]), nothing], { ...settings, top_k: 4 }, threads);
    // Row 0: 1.33 1.27 -1.5 -1.1 0.5.
    expect(three.kept).toEqual([
      [0, 1, 3, 4],
      [0, 1, 2, 4],
    ]);
  });

  const rows = [1, 2, 3, 4].map((seed) => uniforms(seed, 1003, -6, 6 + 2 * seed));
  const seen = [1, 2, 3, 4].map((seed) => new Set(uniforms(seed + 9, 50, 0, 1003).map(Math.floor)));
  it.each([
    { top_k: 50 },
    { top_p: 0.9 },
    { min_p: 0.05 },
    { temperature: 0.6, top_p: 0.95, penalty: 1.2 },
    { temperature: 1.5, top_k: 200, top_p: 0.8, min_p: 0.01, penalty: 0.8 },
    { softcap: 5, top_p: 0.99, penalty: 1.1 },
  ])("keeps the oracle's set of 1003 tokens, %o", async (given) => {
    const settings = { ...PLAIN, ...given };
    const actual = await run(rows, seen, settings, threads);
    rows.forEach((z, row) => {
      expect(actual.kept[row]).toEqual(kept(z, seen[row] ?? nothing, settings));
      const c = z.map((v) => capped(v, settings.softcap));
      const m = Math.max(...c);
      const logSum = (t: number) => Math.log(c.reduce((sum, v) => sum + Math.exp((v - m) / t), 0));
      // 1003 exponentials summed in f32.
      expect(maxError(actual.stats[row] ?? [], [m, logSum(1), logSum(settings.temperature), 0])).toBeLessThan(
        2e-6,
      );
    });
  });

  it("does not look at its neighbours, nor touch rows that are not in use", async () => {
    const settings = { ...PLAIN, top_k: 20, top_p: 0.9 };
    const all = await run(rows, seen, settings, threads);
    const one = await run(rows, seen, settings, threads, 1);
    expect(one.left[0]).toEqual(all.left[0]);
    expect(one.left.slice(1)).toEqual(rows.slice(1));
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("says that a logit is %d", async (bad) => {
    const { stats } = await run([ten, ten.with(4, bad)], [nothing, nothing], PLAIN, threads);
    expect(stats[0]?.[3]).toBe(0);
    expect(Number.isFinite(stats[1]?.[3])).toBe(false);
  });
});
