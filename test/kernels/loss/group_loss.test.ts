import { describe, expect, it } from "vitest";
import {
  GROUP_METRICS,
  type GroupLossSettings,
  type GroupLossType,
  groupLoss,
} from "../../../src/kernels/loss/group_loss.ts";
import { maxError, relativeError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/group_loss.ts";
import { ANCHORS, anchorRows } from "./group_loss_anchors.ts";

const gpu = await testGpu();

const DEFAULTS: GroupLossSettings = {
  lossType: "grpo",
  level: "token",
  epsilon: 0.2,
  epsilonHigh: 0.2,
  delta: null,
  beta: 0,
  biasCorrection: false,
  topEntropyQuantile: 1,
  offPolicyThreshold: null,
  onPolicy: false,
};

/** Runs rows of the oracle's form; the tables have room for more rows and tokens, filled with what must not be read. */
async function run(rows: readonly reference.GroupRow[], s: GroupLossSettings, threads: number) {
  const tokens = rows.flatMap((row) => row.tokens);
  const [M, capacity] = [tokens.length, tokens.length + 5];
  const floats = (label: string, of: (token: reference.GroupToken) => number) =>
    gpu.tensor(label, [capacity], [...tokens.map(of), 9, 9, 9, 9, 9]);
  const bits = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0] as number;
  let first = 0;
  const table = rows.flatMap((row) => {
    first += row.tokens.length;
    return [first - row.tokens.length, row.tokens.length, bits(row.advantage), bits(row.bonus)];
  });
  const args = {
    out: gpu.tensor(
      "out",
      [capacity, 4],
      [...tokens.flatMap(({ logp, entropy }) => [logp, entropy, 9, 9]), ...new Array<number>(20).fill(9)],
    ),
    argmax: gpu.tensor(
      "argmax",
      [capacity],
      Uint32Array.from(tokens, (t) => (t.correct ? 3 : 4)),
    ),
    targets: gpu.tensor("targets", [capacity], new Uint32Array(capacity).fill(3)),
    weights: floats("weights", (token) => token.weight),
    rows: gpu.tensor("rows", [rows.length + 2, 4], Uint32Array.from([...table, 0, 9, 9, 9, 0, 9, 9, 9])),
    oldLogp: s.onPolicy ? undefined : floats("oldLogp", (token) => token.old),
    refLogp: s.beta === 0 ? undefined : floats("refLogp", (token) => token.ref),
    upstream: gpu.tensor("upstream", [capacity, 3], new Array(3 * capacity).fill(7)),
    metrics: gpu.tensor("metrics", [3, 32], new Array(96).fill(7)),
  };
  await gpu.run((recorder) => groupLoss(recorder, args, s, threads), { M, R: rows.length, micro: 1 });
  const upstream = [...(await gpu.read(args.upstream))];
  const slots = [...(await gpu.read(args.metrics))];
  const unused = [...slots.slice(0, 32), ...slots.slice(32 + GROUP_METRICS.length), ...upstream.slice(3 * M)];
  expect(unused.every((value) => value === 7)).toBe(true);
  const metrics = Object.fromEntries(GROUP_METRICS.map((name, i) => [name, slots[32 + i] as number]));
  const column = (c: number) => upstream.slice(0, 3 * M).filter((_, i) => i % 3 === c);
  return { metrics, dLogp: column(0), dEntropy: column(1), dMeanLogp: column(2) };
}

/** Rows of awkward lengths (none, one, about a workgroup, two), with masked tokens, a row of nothing else, and both signs. */
function someRows(seed: number): reference.GroupRow[] {
  const lengths = [5, 0, 1, 64, 65, 3, 130, 7, 2, 9, 1, 4, 6, 33, 8, 0, 12, 5, 11];
  const advantages = uniforms(seed, lengths.length, -2, 2).with(9, 0);
  return lengths.map((length, r) => {
    const values = uniforms(seed + 1 + r, 6 * length, 0, 1);
    const at = (t: number, field: number, low: number, high: number) =>
      Math.fround(low + (high - low) * (values[6 * t + field] as number));
    const tokens = Array.from({ length }, (_, t) => {
      const logp = at(t, 0, -4, -0.05);
      return {
        logp,
        entropy: at(t, 1, 0, 3),
        old: Math.fround(logp + at(t, 2, -0.6, 0.5)),
        ref: Math.fround(logp + at(t, 3, -1, 1)),
        weight: r === 7 || at(t, 4, 0, 1) < 0.15 ? 0 : at(t, 4, 0.001, 0.05),
        correct: at(t, 5, 0, 1) < 0.4,
      };
    });
    return { advantage: advantages[r] as number, bonus: Math.fround(0.001 * (r % 3)), tokens };
  });
}

const cases: readonly (Partial<GroupLossSettings> & { lossType: GroupLossType })[] = [
  { lossType: "grpo" },
  { lossType: "grpo", onPolicy: true, beta: 0.04 },
  { lossType: "grpo", beta: 0.04, biasCorrection: true },
  { lossType: "grpo", onPolicy: true, beta: 0.04, biasCorrection: true, offPolicyThreshold: 0.1 },
  { lossType: "bnpo", delta: 1.4, topEntropyQuantile: 0.2 },
  { lossType: "dr_grpo", delta: 0.9, epsilonHigh: 0.28 },
  { lossType: "dapo", epsilonHigh: 0.28, topEntropyQuantile: 0.5, offPolicyThreshold: 0.05, beta: 0.001 },
  { lossType: "grpo", level: "sequence", epsilon: 3e-4, epsilonHigh: 4e-4 },
  { lossType: "dapo", level: "sequence", beta: 0.1, biasCorrection: true, topEntropyQuantile: 0.3 },
  { lossType: "luspo", level: "sequence", onPolicy: true, beta: 0.1 },
  { lossType: "cispo", epsilonHigh: 1.2 },
  { lossType: "cispo", level: "sequence", epsilonHigh: 1.02, topEntropyQuantile: 0.4 },
  { lossType: "sapo", topEntropyQuantile: 0.7 },
  { lossType: "sapo", level: "sequence", topEntropyQuantile: 0.7, offPolicyThreshold: 0 },
  { lossType: "vespo", beta: 0.04, biasCorrection: true },
  { lossType: "vespo", level: "sequence", onPolicy: true },
];

/** What a metric of the anchors is a mean over, if not the 14 tokens. */
const MEAN_OVER: Readonly<Record<string, number>> = { phi: 4, clipLowMin: 1, clipHighMax: 1 };

describe.each([64, 1])("group_loss, %i threads", (threads) => {
  it.each(cases)("matches the oracle, %o", async (given) => {
    const s = { ...DEFAULTS, ...given };
    const rows = someRows(11);
    const actual = await run(rows, s, threads);
    const expected = reference.groupLoss(rows, s);
    // f32: exp and a few products a token; a row's ratio carries the error of a mean of logs.
    expect(relativeError(actual.dLogp, expected.dLogp)).toBeLessThan(2e-6);
    expect(maxError(actual.dLogp, expected.dLogp)).toBeLessThan(1e-6);
    expect(maxError(actual.dEntropy, expected.dEntropy)).toBeLessThan(1e-9);
    expect(actual.dMeanLogp.every((value) => value === 0)).toBe(true);
    const { nonFinite, ...metrics } = Object.fromEntries(
      Object.entries(actual.metrics).filter(([name]) => name !== ""),
    );
    expect(nonFinite).toBe(0);
    // Sums of up to 366 tokens.
    for (const [name, value] of Object.entries(metrics)) {
      expect(maxError([value as number], [expected.metrics[name] as number]), name).toBeLessThan(5e-6);
    }
    expect(Object.keys(metrics).sort()).toEqual(Object.keys(expected.metrics).sort());
  });

  it("gives a row the same bits whatever rows stand beside it", async () => {
    const s = { ...DEFAULTS, level: "sequence", beta: 0.1, biasCorrection: true } as const;
    const rows = someRows(11);
    const all = await run(rows, s, threads);
    const one = await run(rows.slice(6, 7), s, threads);
    const before = rows.slice(0, 6).reduce((sum, row) => sum + row.tokens.length, 0);
    expect(one.dLogp).toEqual(all.dLogp.slice(before, before + 130));
  });

  it("has nothing to say of no rows, and of rows without tokens", async () => {
    for (const rows of [[], someRows(3).map((row) => ({ ...row, tokens: [] }))]) {
      const { metrics } = await run(
        rows,
        { ...DEFAULTS, level: "sequence", topEntropyQuantile: 0.5 },
        threads,
      );
      expect(GROUP_METRICS.every((name) => name === "" || metrics[name] === 0)).toBe(true);
    }
  });

  it.each([
    ["logp", { logp: Number.NaN }],
    ["old", { old: Number.NaN }],
    ["reference", { ref: Number.NEGATIVE_INFINITY }],
    ["entropy of a masked token", { entropy: Number.POSITIVE_INFINITY, weight: 0 }],
  ])("flags a token whose %s is not finite", async (_, change) => {
    const rows = someRows(11).map((row, r) =>
      r === 4
        ? { ...row, tokens: row.tokens.with(2, { ...(row.tokens[2] as reference.GroupToken), ...change }) }
        : row,
    );
    const { metrics } = await run(rows, { ...DEFAULTS, beta: 0.1 }, threads);
    expect(metrics["nonFinite"]).toBe(1);
  });

  it("stays finite where differences would overflow", async () => {
    const token = { logp: -1, entropy: 1, weight: 0.1, correct: false };
    const tokens = [
      { ...token, old: -300, ref: -1 },
      { ...token, old: -1, ref: 300 },
      { ...token, old: 300, ref: -300 },
    ];
    const rows = [-1, 1].map((advantage) => ({ advantage, bonus: 0, tokens }));
    for (const lossType of ["grpo", "cispo", "sapo", "vespo"] as const) {
      const { metrics, dLogp } = await run(rows, { ...DEFAULTS, lossType, beta: 0.1 }, threads);
      expect(metrics["nonFinite"]).toBe(0);
      expect(dLogp.every(Number.isFinite)).toBe(true);
    }
  });

  it.each([1, -1])(
    "keeps the whole gradient on the boundary of the clip, advantage %i",
    async (advantage) => {
      // Bounds and ratio are all exactly 1: both arguments of the minimum are equal, with half of the slope each.
      const tokens = [{ logp: -1, entropy: 1, old: -1, ref: -1, weight: 0.5, correct: false }];
      const s = { ...DEFAULTS, epsilon: 0, epsilonHigh: 0, delta: 1 };
      const { dLogp, metrics } = await run([{ advantage, bonus: 0, tokens }], s, threads);
      expect(dLogp).toEqual([-0.5 * advantage]);
      expect(metrics["clipRegion"]).toBe(0);
    },
  );

  it.each([
    [1, 1.5, 0],
    [1, 0.5, -0.5],
    [-1, 1.5, 1.5],
    [-1, 0.5, 0],
    [-1, 4, 0],
  ])("clips by the sign of the advantage: %i at ratio %d", async (advantage, ratio, expected) => {
    const tokens = [{ logp: Math.log(ratio), entropy: 1, old: 0, ref: 0, weight: 1, correct: false }];
    const { dLogp } = await run([{ advantage, bonus: 0, tokens }], { ...DEFAULTS, delta: 3 }, threads);
    expect(maxError(dLogp, [expected])).toBeLessThan(1e-6);
  });

  // The anchors have nine decimals. A loss is a sum of terms of size weight x advantage that nearly cancel: an exp of a few ulp
  // in each shows in proportion to their sizes.
  it.each(ANCHORS)("gives TRL's $name", async (anchor) => {
    const s = { ...DEFAULTS, ...anchor.settings };
    const rows = anchorRows(anchor);
    const sizes = rows.flatMap((row) => row.tokens.map(({ weight }) => Math.abs(weight * row.advantage)));
    const size = sizes.reduce((a, b) => a + b, 0);
    const { metrics, dLogp } = await run(rows, s, threads);
    expect(Math.abs((metrics["loss"] as number) - anchor.loss) / size).toBeLessThan(2e-7);
    expect(maxError([Math.hypot(...dLogp)], [anchor.norm])).toBeLessThan(2e-7);
    expect(maxError([dLogp[2] as number], [anchor.third])).toBeLessThan(2e-7);
    for (const [name, value] of Object.entries(anchor.metrics ?? {})) {
      expect(maxError([(metrics[name] as number) / (MEAN_OVER[name] ?? 14)], [value]), name).toBeLessThan(
        1e-6,
      );
    }
  });
});

describe("the oracle of group_loss", () => {
  it.each(ANCHORS)("gives TRL's $name", (anchor) => {
    const { loss, dLogp } = reference.groupLoss(anchorRows(anchor), { ...DEFAULTS, ...anchor.settings });
    // Nine decimals of what TRL computed in f32.
    expect(loss).toBeCloseTo(anchor.loss, 7);
    expect(Math.hypot(...dLogp)).toBeCloseTo(anchor.norm, 7);
    expect(dLogp[2]).toBeCloseTo(anchor.third, 7);
  });

  it.each(cases)("has gradients that differences confirm, %o", (given) => {
    const s = { ...DEFAULTS, ...given };
    const rows = someRows(29).filter((row) => row.tokens.length < 20);
    const { dLogp, dEntropy } = reference.groupLoss(rows, s);
    const h = 1e-6;
    const moved = (r: number, t: number, field: "logp" | "entropy", by: number) =>
      reference.groupLoss(
        rows.map((row, i) =>
          i === r
            ? {
                ...row,
                tokens: row.tokens.map((token, j) =>
                  j === t ? { ...token, [field]: token[field] + by } : token,
                ),
              }
            : row,
        ),
        s,
        rows,
      ).loss;
    const places = rows.flatMap((row, r) => row.tokens.map((_, t) => [r, t] as const));
    const slopes = (field: "logp" | "entropy") =>
      places.map(([r, t]) => (moved(r, t, field, h) - moved(r, t, field, -h)) / (2 * h));
    // Differences of losses of size 1 in float64, divided by 2e-6. No token of these lies on a bound.
    expect(maxError(slopes("logp"), dLogp)).toBeLessThan(1e-8);
    // No entropy of these is within h of the threshold, or it moves with it.
    expect(maxError(slopes("entropy"), dEntropy)).toBeLessThan(1e-8);
  });
});
