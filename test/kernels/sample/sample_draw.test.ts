import { describe, expect, it } from "vitest";
import { profileFor } from "../../../src/kernels/profile.ts";
import { sampleDraw } from "../../../src/kernels/sample/sample_draw.ts";
import { sampleFilter } from "../../../src/kernels/sample/sample_filter.ts";
import { sampleToken } from "../../../src/kernels/sample/sample_token.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import { draw, kept, PLAIN, type SampleSettings, scores } from "../../reference/sample.ts";

const gpu = await testGpu();
const nothing = new Set<number>();

interface Given {
  readonly rows: readonly (readonly number[])[];
  readonly keys: readonly number[];
  readonly settings: SampleSettings;
  readonly threads: number;
  readonly count?: number;
  readonly position?: number;
}

async function run({ rows, keys, settings, threads, count = rows.length, position = 3 }: Given) {
  const V = rows[0]?.length ?? 0;
  const args = {
    z: gpu.tensor("z", [rows.length, V], rows.flat()),
    seen: gpu.tensor("seen", [rows.length, Math.ceil(V / 32)]),
    keys: gpu.tensor("keys", [rows.length], Uint32Array.from(keys)),
    tokens: gpu.tensor("tokens", [rows.length]),
    logps: gpu.tensor("logps", [rows.length, 2]),
  };
  const { softcap, ...step } = settings;
  await gpu.run(
    (recorder) => {
      const stats = recorder.alloc("stats", [rows.length, 4]);
      const options = { vocab: V, softcap, threads };
      sampleFilter(recorder, { z: args.z, seen: args.seen, stats }, options);
      sampleDraw(recorder, { ...args, stats }, options);
    },
    { R: count, seed: 42, step: position, ...step },
  );
  return {
    tokens: [...(await gpu.readUints(args.tokens))],
    logps: [...(await gpu.read(args.logps))],
    seen: await gpu.readUints(args.seen),
  };
}

/** Pearson's statistic of counts against probabilities. */
function chiSquare(tokens: readonly number[], probabilities: ReadonlyMap<number, number>): number {
  let sum = 0;
  for (const [v, p] of probabilities) {
    const expected = p * tokens.length;
    sum += (tokens.filter((token) => token === v).length - expected) ** 2 / expected;
  }
  return sum;
}

const ten = [0.05, 0.3, 0.01, 0.1, 0.2, 0.06, 0.15, 0.02, 0.08, 0.03].map((p) => Math.fround(Math.log(p)));

describe.each([256, 1])("sample_draw, %i threads", (threads) => {
  const rows = [1, 2, 3, 4, 5].map((seed) => uniforms(seed, 1003, -4, 4));
  const keys = [7, 8, 9, 7, 0xfffffff0];
  it.each([
    {},
    { temperature: 0.7, top_k: 30 },
    { temperature: 1.3, top_p: 0.5, softcap: 3 },
    { temperature: 0 },
  ])("draws the oracle's tokens, with their log-probabilities, %o", async (given) => {
    const settings = { ...PLAIN, ...given };
    const actual = await run({ rows, keys, settings, threads });
    const expected = rows.map((z, row) => draw(z, nothing, settings, [42, keys[row] ?? 0, 3]));
    // The noise is good to a few 1e-6; the test's seeds leave more than that between the first two.
    expect(Math.min(...expected.map(({ lead }) => lead))).toBeGreaterThan(1e-4);
    expect(actual.tokens).toEqual(expected.map(({ token }) => token));
    // 1003 exponentials summed in f32; log-probabilities of size 10.
    expect(
      maxError(
        actual.logps,
        expected.flatMap(({ logps }) => logps),
      ),
    ).toBeLessThan(2e-6);
    // And marks each as seen, and nothing else.
    const marked = actual.seen.map((word, at) => {
      const v = actual.tokens[Math.floor(at / 32)] ?? 0;
      return Math.floor(v / 32) === at % 32 ? word ^ (1 << (v % 32)) : word;
    });
    expect([...marked].every((word) => word === 0)).toBe(true);
  });

  it.each([{}, { temperature: 1.7 }, { top_p: 0.6 }, { top_k: 4, min_p: 0.2 }])(
    "draws ten tokens as often as their probabilities say, %o",
    async (given) => {
      const settings = { ...PLAIN, ...given };
      // Fewer where a CPU adapter pays for every barrier; the least likely token is still expected three times.
      const n = threads === 1 ? 3000 : 300;
      const { tokens } = await run({
        rows: Array.from({ length: n }, () => ten),
        keys: Array.from({ length: n }, (_, i) => i),
        settings,
        threads,
      });
      const s = scores(ten, nothing, settings);
      const left = kept(ten, nothing, settings);
      const sum = left.reduce((total, v) => total + Math.exp(s[v] as number), 0);
      const probabilities = new Map(left.map((v) => [v, Math.exp(s[v] as number) / sum]));
      expect(new Set(tokens)).toEqual(new Set(left));
      // 27.9 is the 99.9th percentile of chi-square with 9 degrees of freedom; the seed is fixed.
      expect(chiSquare(tokens, probabilities)).toBeLessThan(27.9);
    },
  );

  it("draws otherwise at another position, and for another key", async () => {
    const many = Array.from({ length: 40 }, () => ten);
    const same = many.map(() => 5);
    const given = { rows: many, settings: PLAIN, threads };
    const first = await run({ ...given, keys: same });
    expect(new Set(first.tokens).size).toBe(1);
    const other = await run({ ...given, keys: many.map((_, i) => i) });
    expect(new Set(other.tokens).size).toBeGreaterThan(4);
    const later = await run({ ...given, keys: many.map((_, i) => i), position: 4 });
    expect(later.tokens).not.toEqual(other.tokens);
  });

  it("does not look at its neighbours, nor touch rows that are not in use", async () => {
    const settings = { ...PLAIN, top_p: 0.9 };
    const all = await run({ rows, keys, settings, threads });
    const one = await run({ rows, keys, settings, threads, count: 1 });
    expect([one.tokens[0], ...one.logps.slice(0, 2)]).toEqual([all.tokens[0], ...all.logps.slice(0, 2)]);
    expect(one.tokens.slice(1)).toEqual([0, 0, 0, 0]);
  });

  it("takes the lowest of equals when greedy", async () => {
    const z = ten.with(9, 1).with(3, 1).with(7, 1);
    const { tokens } = await run({ rows: [z], keys: [1], settings: { ...PLAIN, temperature: 0 }, threads });
    expect(tokens).toEqual([3]);
  });

  it("shows a NaN in the log-probabilities, in its row only", async () => {
    const { tokens, logps } = await run({
      rows: [ten, ten.with(2, Number.NaN)],
      keys: [1, 2],
      settings: PLAIN,
      threads,
    });
    expect(logps.map(Number.isNaN)).toEqual([false, false, true, true]);
    expect(tokens.every((token) => token < 10)).toBe(true);
  });
});

it("sampleToken generates with a penalty from what was seen before", async () => {
  const [V, STEPS] = [70, 6] as const;
  const z = uniforms(3, V, -1, 1);
  const settings: SampleSettings = { ...PLAIN, temperature: 0, penalty: 3 };
  const args = {
    seen: gpu.tensor("seen", [1, 3]),
    keys: gpu.tensor("keys", [1], new Uint32Array([1])),
    tokens: gpu.tensor("tokens", [1]),
    logps: gpu.tensor("logps", [1, 2]),
  };
  const seen = new Set<number>();
  for (let position = 0; position < STEPS; position++) {
    const { softcap, ...step } = settings;
    const logits = gpu.tensor("z", [1, V], z);
    await gpu.run(
      (recorder) =>
        sampleToken(
          recorder,
          profileFor(gpu.gpu.capabilities),
          { ...args, z: logits },
          { vocab: V, softcap },
        ),
      { R: 1, step: position, ...step },
    );
    const { token } = draw(z, seen, settings, [0, 1, position]);
    expect([...(await gpu.readUints(args.tokens))]).toEqual([token]);
    seen.add(token);
  }
  expect(seen.size).toBe(STEPS);
});
