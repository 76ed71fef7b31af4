import { describe, expect, it } from "vitest";
import {
  DPO_METRICS,
  DPO_STATS,
  type DpoLossSettings,
  type DpoLossType,
  dpoLoss,
} from "../../../src/kernels/loss/dpo_loss.ts";
import { maxError, relativeError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/dpo_loss.ts";
import { ANCHOR_METRICS, ANCHOR_PAIRS, ANCHORS, normOfLogits } from "./dpo_loss_anchors.ts";

const gpu = await testGpu();

const DEFAULTS: DpoLossSettings = {
  losses: [{ type: "sigmoid", weight: 1 }],
  beta: 0.1,
  labelSmoothing: 0,
  divergence: "reverse_kl",
  alphaCoef: 0.5,
  ldAlpha: null,
  referenceFree: false,
  weighting: false,
  discopopTau: 0.05,
};

/** Runs pairs of the oracle's form; the tables have room for more rows and tokens, filled with what must not be read. */
async function run(pairs: readonly reference.DpoPair[], s: DpoLossSettings, threads: number) {
  const rows = pairs.flatMap((pair) => [pair.chosen, pair.rejected]);
  const tokens = rows.flat();
  const [M, R, capacity] = [tokens.length, rows.length, tokens.length + 5];
  const floats = (label: string, of: (token: reference.DpoToken) => number) =>
    gpu.tensor(label, [capacity], [...tokens.map(of), 9, 9, 9, 9, 9]);
  const uints = (label: string, values: readonly number[]) =>
    gpu.tensor(label, [capacity], Uint32Array.from([...values, 1, 1, 1, 1, 1]));
  const bits = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0] as number;
  let first = 0;
  const table = rows.flatMap((row, r) => {
    const pair = pairs[Math.floor(r / 2)] as reference.DpoPair;
    first += row.length;
    const weights = r % 2 === 0 ? [bits(pair.weight), bits(pair.sftWeight)] : [bits(1e9), bits(1e9)];
    return [first - row.length, row.length, ...weights];
  });
  const args = {
    out: gpu.tensor(
      "out",
      [capacity, 4],
      [
        ...tokens.flatMap(({ logp, entropy, logit }) => [logp, entropy, 2, logit - 2]),
        ...new Array<number>(20).fill(9),
      ],
    ),
    argmax: uints(
      "argmax",
      tokens.map((token) => (token.correct ? 3 : 4)),
    ),
    targets: uints(
      "targets",
      tokens.map(() => 3),
    ),
    rowOf: uints(
      "rowOf",
      rows.flatMap((row, r) => row.map(() => r)),
    ),
    logCollision: floats("logCollision", (token) => token.logCollision),
    refLogp: s.referenceFree ? undefined : floats("refLogp", (token) => token.ref),
    rows: gpu.tensor("rows", [R + 2, 4], Uint32Array.from([...table, 0, 9, 9, 9, 0, 9, 9, 9])),
    upstream: gpu.tensor("upstream", [capacity, 3], new Array(3 * capacity).fill(7)),
    metrics: gpu.tensor("metrics", [3, 32], new Array(96).fill(7)),
  };
  let stats = args.metrics;
  await gpu.run(
    (recorder) => {
      ({ stats } = dpoLoss(recorder, args, s, threads));
      recorder.keep(stats);
    },
    { M, R, micro: 1 },
  );
  const upstream = [...(await gpu.read(args.upstream))];
  const slots = [...(await gpu.read(args.metrics))];
  const unused = [...slots.slice(0, 32), ...slots.slice(32 + DPO_METRICS.length), ...upstream.slice(3 * M)];
  expect(unused.every((value) => value === 7)).toBe(true);
  expect(upstream.slice(0, 3 * M).every((value, i) => i % 3 === 0 || value === 0)).toBe(true);
  const sums = [...(await gpu.read(stats))];
  return {
    metrics: Object.fromEntries(DPO_METRICS.map((name, i) => [name, slots[32 + i] as number])),
    dLogp: upstream.slice(0, 3 * M).filter((_, i) => i % 3 === 0),
    stats: rows.map((_, r) => sums.slice(16 * r, 16 * r + DPO_STATS.length)),
  };
}

/** Pairs of rows of awkward lengths: none, one, about a workgroup, two; some differences are equal. */
function somePairs(seed: number, count: number): reference.DpoPair[] {
  const lengths = [5, 3, 1, 64, 65, 3, 130, 7, 2, 9, 1, 1, 6, 33, 8, 12, 5, 11, 0, 4, 0, 0];
  const tokens = (r: number): reference.DpoToken[] => {
    const length = lengths[r % lengths.length] as number;
    const values = uniforms(seed + 1 + r, 6 * length, 0, 1);
    return Array.from({ length }, (_, t) => {
      const at = (field: number, low: number, high: number) =>
        Math.fround(low + (high - low) * (values[6 * t + field] as number));
      const logp = at(0, -4, -0.05);
      return {
        logp,
        ref: Math.fround(logp + at(1, -0.5, 0.5)),
        entropy: at(2, 0, 3),
        logit: at(3, -2, 2),
        logCollision: at(4, -2, -0.1),
        correct: at(5, 0, 1) < 0.4,
      };
    });
  };
  const pairs = Array.from({ length: count }, (_, i) => ({
    chosen: tokens(2 * i),
    rejected: tokens(2 * i + 1),
    weight: 1 / count,
    sftWeight: 0.003,
  }));
  // Two pairs that are the same in every number.
  return pairs.map((pair, i) => (i === 5 ? { ...(pairs[2] as reference.DpoPair) } : pair));
}

const TYPES: readonly DpoLossType[] = [
  ...(["sigmoid", "hinge", "ipo", "sigmoid_norm", "exo_pair", "nca_pair", "robust", "bco_pair"] as const),
  ...(["sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop", "sft"] as const),
];
const only = (type: DpoLossType) => [{ type, weight: 1 }];
const cases: readonly Partial<DpoLossSettings>[] = [
  ...TYPES.map((type) => ({ losses: only(type), labelSmoothing: 0.1 })),
  ...TYPES.map((type) => ({ losses: only(type), weighting: true, labelSmoothing: 0.01, beta: 0.5 })),
  ...(["forward_kl", "js_divergence", "alpha_divergence"] as const).flatMap((divergence) => [
    { divergence },
    { divergence, losses: only("ipo") },
    { divergence, losses: only("discopop"), beta: 0.02 },
    { divergence, losses: only("apo_down"), referenceFree: true, beta: 0.02 },
  ]),
  { divergence: "alpha_divergence", alphaCoef: 1 },
  { divergence: "alpha_divergence", alphaCoef: 1.3, losses: only("hinge") },
  { ldAlpha: 0.5, losses: only("sigmoid_norm") },
  { ldAlpha: 0, losses: only("aot") },
  { referenceFree: true, ldAlpha: 0.3, losses: [...only("sigmoid"), { type: "sft", weight: 0.2 }] },
  {
    losses: [
      { type: "sigmoid", weight: 0.8 },
      { type: "bco_pair", weight: 0.2 },
      { type: "sft", weight: 1 },
      { type: "sft", weight: 0.5 },
      { type: "aot_unpaired", weight: 0.3 },
    ],
    weighting: true,
  },
];

describe.each([64, 1])("dpo_loss, %i threads", (threads) => {
  it.each(cases.flatMap((given) => [11, 70].map((count) => ({ count, ...given }))))(
    "matches the oracle, %o",
    async ({ count, ...given }) => {
      const s = { ...DEFAULTS, ...given };
      const pairs = somePairs(17, count);
      const actual = await run(pairs, s, threads);
      const expected = reference.dpoLoss(pairs, s);
      // f32 sums of up to 130 log-probabilities, and their exponentials for divergences and weights.
      expect(relativeError(actual.dLogp, expected.dLogp)).toBeLessThan(1e-5);
      const { nonFinite, ...metrics } = Object.fromEntries(
        Object.entries(actual.metrics).filter(([name]) => name !== ""),
      );
      expect(nonFinite).toBe(0);
      for (const [name, value] of Object.entries(metrics)) {
        expect(maxError([value as number], [expected.metrics[name] as number]), name).toBeLessThan(5e-6);
      }
      expect(Object.keys(metrics).sort()).toEqual(Object.keys(expected.metrics).sort());
      expect(maxError(actual.stats.flat(), expected.stats.flat())).toBeLessThan(1e-6);
    },
  );

  it("has nothing to say of no pairs", async () => {
    const { metrics } = await run(
      [],
      { ...DEFAULTS, losses: TYPES.flatMap(only), labelSmoothing: 0.1 },
      threads,
    );
    expect(DPO_METRICS.every((name) => name === "" || metrics[name] === 0)).toBe(true);
  });

  it("starts at log 2 with margins of exactly 0 where policy and reference are the same", async () => {
    const same = (row: readonly reference.DpoToken[]) => row.map((token) => ({ ...token, ref: token.logp }));
    const pairs = somePairs(17, 11).map((pair) => ({
      ...pair,
      chosen: same(pair.chosen),
      rejected: same(pair.rejected),
    }));
    const { metrics } = await run(pairs, DEFAULTS, threads);
    expect(maxError([metrics["loss"] as number], [Math.LN2])).toBeLessThan(2e-7);
    expect([metrics["rewardsChosen"], metrics["rewardsRejected"], metrics["rewardsAccuracies"]]).toEqual([
      0, 0, 0,
    ]);
  });

  it.each([
    ["logp", { logp: Number.NaN }],
    ["reference", { ref: Number.NEGATIVE_INFINITY }],
    ["entropy", { entropy: Number.POSITIVE_INFINITY }],
  ])("flags a token whose %s is not finite", async (_, change) => {
    const pairs = somePairs(17, 11).map((pair, i) => ({
      ...pair,
      rejected: pair.rejected.map((token, t) => (i === 3 && t === 2 ? { ...token, ...change } : token)),
    }));
    const { metrics } = await run(pairs, { ...DEFAULTS, losses: only("hinge") }, threads);
    expect(metrics["nonFinite"]).toBe(1);
  });

  it("stays finite where differences are large", async () => {
    const token = { entropy: 1, logit: 0, logCollision: -1, correct: false };
    const far = (logp: number, ref: number) => [{ ...token, logp, ref }];
    const pairs = [
      { chosen: far(-1, -2000), rejected: far(-2000, -1), weight: 0.5, sftWeight: 0.5 },
      { chosen: far(-2000, -1), rejected: far(-1, -2000), weight: 0.5, sftWeight: 0.5 },
    ];
    for (const divergence of ["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"] as const) {
      for (const type of TYPES.filter((type) => divergence === "reverse_kl" || type === "sigmoid")) {
        const s = { ...DEFAULTS, losses: only(type), divergence, labelSmoothing: 0.1, beta: 1 };
        const { metrics, dLogp } = await run(pairs, s, threads);
        expect([type, divergence, Number.isFinite(metrics["loss"])]).toEqual([type, divergence, true]);
        expect(dLogp.every(Number.isFinite)).toBe(true);
      }
    }
  });
});

describe("TRL's numbers for dpo", () => {
  const sources = [
    ["the oracle", async (s: DpoLossSettings) => reference.dpoLoss(ANCHOR_PAIRS, s)],
    ["64 threads", (s: DpoLossSettings) => run(ANCHOR_PAIRS, s, 64)],
    ["1 thread", (s: DpoLossSettings) => run(ANCHOR_PAIRS, s, 1)],
  ] as const;

  it.each(sources.flatMap(([by, of]) => ANCHORS.map((anchor) => [anchor.name, by, anchor, of] as const)))(
    "%s, by %s",
    async (_, __, { name, loss, norm, ...settings }, of) => {
      const actual = await of({ ...DEFAULTS, ...settings });
      // Nine decimals of what both compute in f32; sums of about ten numbers.
      expect(maxError([actual.metrics["loss"] as number], [loss])).toBeLessThan(3e-7);
      if (norm !== undefined) expect(maxError([normOfLogits(actual.dLogp)], [norm])).toBeLessThan(3e-7);
    },
  );

  it.each(sources)("metrics, by %s", async (_, of) => {
    const { metrics } = await of(DEFAULTS);
    const value = (name: string) => metrics[name] as number;
    for (const [name, expected] of Object.entries(ANCHOR_METRICS)) {
      expect(maxError([value(name) / value("pairs")], [expected]), name).toBeLessThan(3e-7);
    }
    const means = [
      value("logitsChosen") / value("chosenTokens"),
      value("logitsRejected") / value("rejectedTokens"),
      value("entropy") / value("live"),
      value("chosenCorrect") / value("chosenTokens"),
    ];
    expect(maxError(means, [0.0408952, 0.040401, 1.3339847, 0.1666667])).toBeLessThan(3e-7);
  });
});

describe("the oracle of dpo_loss", () => {
  it.each(cases)("has gradients that differences confirm, %o", (given) => {
    const s = { ...DEFAULTS, ...given };
    const pairs = somePairs(23, 11).map((pair) => ({
      ...pair,
      chosen: pair.chosen.slice(0, 6),
      rejected: pair.rejected.slice(0, 6),
    }));
    // Two pairs are equal to the bit; apart, so that sorting them is differentiable.
    const lower = (row: readonly reference.DpoToken[], by: number) =>
      row.map((token) => ({ ...token, logp: token.logp - by }));
    const apart = pairs.map((pair, i) =>
      i === 5 ? { ...pair, chosen: lower(pair.chosen, 0.01), rejected: lower(pair.rejected, 0.02) } : pair,
    );
    const slopes = reference.dpoLoss(apart, s).dLogp;
    const h = 1e-6;
    const moved = (i: number, half: "chosen" | "rejected", t: number, by: number) =>
      reference.dpoLoss(
        apart.map((pair, j) =>
          i === j
            ? {
                ...pair,
                [half]: pair[half].map((token, k) => (k === t ? { ...token, logp: token.logp + by } : token)),
              }
            : pair,
        ),
        s,
        apart,
      ).loss;
    const differences = apart.flatMap((pair, i) =>
      (["chosen", "rejected"] as const).flatMap((half) =>
        pair[half].map((_, t) => (moved(i, half, t, h) - moved(i, half, t, -h)) / (2 * h)),
      ),
    );
    // Differences of losses of size up to 1e3 in float64, divided by 2e-6.
    expect(maxError(differences, slopes)).toBeLessThan(1e-6);
  });
});
