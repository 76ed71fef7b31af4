import { describe, expect, it } from "vitest";
import { PPO_METRICS, ppoPolicyLoss } from "../../../src/kernels/loss/ppo_policy.ts";
import { valueLoss } from "../../../src/kernels/loss/value_loss.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/ppo_loss.ts";

const gpu = await testGpu();

interface Token {
  readonly logp: number;
  readonly entropy: number;
  readonly old: number;
  readonly advantage: number;
  readonly value: number;
  readonly oldValue: number;
  readonly target: number;
  readonly weight: number;
  readonly correct: boolean;
}

interface Settings {
  readonly cliprange: number;
  readonly clipRange: number;
  readonly coef: number;
}

const SETTINGS: Settings = { cliprange: 0.2, clipRange: 0.15, coef: 0.1 };

/** The policy's and the value's part, one after the other as in a step; the tables have room for more tokens. */
async function run(tokens: readonly Token[], { cliprange, clipRange, coef }: Settings, threads: number) {
  const [M, capacity] = [tokens.length, tokens.length + 3];
  const floats = (label: string, of: (token: Token) => number, shape = [capacity]) =>
    gpu.tensor(label, shape, [...tokens.map(of), 9, 9, 9]);
  const metrics = gpu.tensor("metrics", [3, 32], new Array(96).fill(7));
  const weights = floats("weights", (token) => token.weight);
  const policy = {
    ...{ metrics, weights },
    out: gpu.tensor(
      "out",
      [capacity, 4],
      [...tokens.flatMap((token) => [token.logp, token.entropy, 9, 9]), ...new Array<number>(12).fill(9)],
    ),
    argmax: gpu.tensor(
      "argmax",
      [capacity],
      Uint32Array.from(tokens, (token) => (token.correct ? 2 : 1)),
    ),
    targets: gpu.tensor("targets", [capacity], new Uint32Array(capacity).fill(2)),
    advantages: floats("advantages", (token) => token.advantage),
    oldLogp: floats("oldLogp", (token) => token.old),
    upstream: gpu.tensor("upstream", [capacity, 3], new Array(3 * capacity).fill(7)),
  };
  const value = {
    ...{ metrics, weights },
    values: floats("values", (token) => token.value, [capacity, 1]),
    oldValues: floats("oldValues", (token) => token.oldValue),
    returns: floats("returns", (token) => token.target),
    dValues: gpu.tensor("dValues", [capacity, 1], new Array(capacity).fill(7)),
  };
  await gpu.run(
    (recorder) => {
      ppoPolicyLoss(recorder, policy, { cliprange }, threads);
      valueLoss(recorder, value, { clipRange, coef }, threads);
    },
    { M, micro: 1 },
  );
  const upstream = [...(await gpu.read(policy.upstream))];
  const dValues = [...(await gpu.read(value.dValues))];
  const slots = [...(await gpu.read(metrics))];
  const unused = [
    ...slots.slice(0, 32),
    ...slots.slice(32 + PPO_METRICS.length),
    ...upstream.slice(3 * M),
    ...dValues.slice(M),
  ];
  expect(unused.every((v) => v === 7)).toBe(true);
  expect(upstream.slice(0, 3 * M).every((v, i) => i % 3 === 0 || v === 0)).toBe(true);
  return {
    metrics: Object.fromEntries(PPO_METRICS.map((name, i) => [name, slots[32 + i] as number])),
    dLogp: upstream.slice(0, 3 * M).filter((_, i) => i % 3 === 0),
    dValues: dValues.slice(0, M),
  };
}

/** The oracle of both parts. */
function expected(tokens: readonly Token[], { cliprange, clipRange, coef }: Settings) {
  const live = tokens.filter((token) => token.weight !== 0);
  const sum = (of: (token: Token) => number) => live.reduce((total, token) => total + of(token), 0);
  const policyPart = (token: Token) => reference.ppoPolicyLoss(token, cliprange);
  const valuePart = ({ value, oldValue, target, weight }: Token) =>
    reference.valueLoss({ value, old: oldValue, target, weight }, clipRange, coef);
  const policy = sum((token) => policyPart(token).loss);
  const value = sum((token) => valuePart(token).loss);
  return {
    dLogp: tokens.map((token) => policyPart(token).dLogp),
    dValues: tokens.map((token) => valuePart(token).dValue),
    metrics: {
      loss: policy + coef * value,
      entropy: sum((token) => token.entropy),
      correct: sum((token) => (token.correct ? 1 : 0)),
      live: live.length,
      logp: sum((token) => token.logp),
      nonFinite: 0,
      policyLoss: policy,
      approxKl: sum(({ logp, old }) => (logp - old) ** 2 / 2),
      clipFrac: sum((token) => (policyPart(token).clipped ? 1 : 0)),
      ratio: sum((token) => policyPart(token).ratio),
      ratioSquared: sum((token) => policyPart(token).ratio ** 2),
      valueLoss: value,
      valueClipFrac: sum((token) => (valuePart(token).clipped ? 1 : 0)),
    },
  };
}

function someTokens(seed: number, count: number): Token[] {
  const values = uniforms(seed, 9 * count, 0, 1);
  return Array.from({ length: count }, (_, t) => {
    const at = (field: number, low: number, high: number) =>
      Math.fround(low + (high - low) * (values[9 * t + field] as number));
    const logp = at(0, -4, -0.05);
    const oldValue = at(1, -1, 1);
    return {
      logp,
      old: Math.fround(logp + at(2, -0.5, 0.5)),
      entropy: at(3, 0, 3),
      advantage: at(4, -2, 2),
      oldValue,
      value: Math.fround(oldValue + at(5, -0.4, 0.4)),
      target: Math.fround(oldValue + at(6, -1, 1)),
      weight: at(7, 0, 1) < 0.2 ? 0 : at(7, 0.001, 0.05),
      correct: at(8, 0, 1) < 0.3,
    };
  });
}

const ONE: Token = {
  ...{ logp: 0, old: 0, entropy: 1, advantage: 1, weight: 1, correct: false },
  ...{ value: 0, oldValue: 0, target: 0 },
};

describe.each([64, 1])("ppo losses, %i threads", (threads) => {
  it.each([0, 1, 63, 64, 65, 331])("match the oracle over %i tokens", async (M) => {
    const tokens = someTokens(7 + M, M);
    const actual = await run(tokens, SETTINGS, threads);
    const { dLogp, dValues, metrics } = expected(tokens, SETTINGS);
    // An exp and a few products in f32.
    expect(maxError(actual.dLogp, dLogp)).toBeLessThan(1e-6);
    expect(maxError(actual.dValues, dValues)).toBeLessThan(1e-6);
    const { "": _, ...named } = actual.metrics;
    expect(Object.keys(named).sort()).toEqual(Object.keys(metrics).sort());
    // Sums of up to 331 tokens.
    for (const [name, value] of Object.entries(metrics)) {
      expect(maxError([named[name] as number], [value]), name).toBeLessThan(5e-6);
    }
  });

  it("has a ratio of exactly 1 where nothing has moved", async () => {
    const tokens = someTokens(3, 50).map((token) => ({ ...token, old: token.logp }));
    const { metrics } = await run(tokens, SETTINGS, threads);
    expect(metrics["ratio"]).toBe(metrics["live"]);
    expect([metrics["approxKl"], metrics["clipFrac"]]).toEqual([0, 0]);
  });

  it.each([1, -1])(
    "keeps the whole gradient on the boundary of the clip, advantage %i",
    async (advantage) => {
      const exact = { cliprange: 0, clipRange: 0, coef: 1 };
      const { dLogp, dValues, metrics } = await run(
        [{ ...ONE, advantage, target: advantage }],
        exact,
        threads,
      );
      expect(dLogp).toEqual([-advantage]);
      expect(dValues).toEqual([-advantage]);
      expect([metrics["clipFrac"], metrics["valueClipFrac"]]).toEqual([0, 0]);
    },
  );

  it("takes half of the slope where a clipped value is as far from the return as the value", async () => {
    const token = { ...ONE, value: 0.5, oldValue: -0.75, target: 0.125 };
    // Clipped to -0.25, which is 0.375 from the return on the other side.
    const { dValues, metrics } = await run([token], { ...SETTINGS, clipRange: 0.5, coef: 1 }, threads);
    expect(dValues).toEqual([0.1875]);
    expect(metrics["valueClipFrac"]).toBe(0);
  });

  it.each([
    ["logp", { logp: Number.NaN }],
    ["old logp", { old: Number.NaN }],
    ["advantage", { advantage: Number.POSITIVE_INFINITY }],
    ["value", { value: Number.NaN }],
    ["return", { target: Number.NaN }],
  ])("flags a token whose %s is not finite", async (name, change) => {
    const tokens = someTokens(5, 70).map((token, t) =>
      t === 30 ? { ...token, weight: 0.1, ...change } : token,
    );
    const { metrics } = await run(tokens, SETTINGS, threads);
    expect([name, metrics["nonFinite"]]).toEqual([name, 1]);
  });

  it("stays finite where differences would overflow", async () => {
    const far = [1, -1].flatMap((advantage) => [-300, 300].map((old) => ({ ...ONE, advantage, old })));
    const { metrics, dLogp } = await run(far, SETTINGS, threads);
    expect(metrics["nonFinite"]).toBe(0);
    expect(dLogp.every(Number.isFinite)).toBe(true);
  });
});

describe("TRL's numbers for ppo", () => {
  // Two rows of four positions, the last of which is padding in the first; the value there is still fitted.
  const rows = [
    {
      old: [-1, -0.5, -2, -0.3],
      ref: [-1.2, -0.4, -1.5, -0.3],
      logp: [-0.9, -0.6, -1.6, -0.3],
      advantage: [0.94852882, 0.908002649, 1.278010488, 0],
      oldValue: [0.1, 0.2, -0.1, 0.3],
      value: [0.5, 0.1, 0.3, 0.2],
      score: 1.5,
    },
    {
      old: [-0.2, -1.5, -0.7, -1.1],
      ref: [-0.4, -1, -0.9, -1.4],
      logp: [-0.25, -1.2, -0.9, -1],
      advantage: [-0.637745523, -1.07178553, -0.901901589, -0.523109314],
      oldValue: [0, 0.4, 0.2, -0.2],
      value: [0.1, 0.1, 0.6, -0.1],
      score: -0.5,
    },
  ];

  /** Returns of rewards that are -0.05 k3, with the score in the last position: lambda 0.95, gamma 1. */
  function returns({ old, ref, oldValue, score }: (typeof rows)[number]): number[] {
    const result: number[] = [];
    let [advantage, next] = [0, 0];
    for (let t = 3; t >= 0; t--) {
      const d = (ref[t] as number) - (old[t] as number);
      const reward = -0.05 * (Math.exp(d) - 1 - d) + (t === 3 ? score : 0);
      const value = oldValue[t] as number;
      advantage = reward + next - value + 0.95 * advantage;
      result.unshift(advantage + value);
      next = value;
    }
    return result;
  }

  const tokens = rows.flatMap((row, r) =>
    row.old.map((old, t): Token => {
      const at = (values: readonly number[]) => values[t] as number;
      return {
        ...{ old, entropy: 1, correct: false, weight: r === 0 && t === 3 ? 0 : 1 / 7 },
        ...{ logp: at(row.logp), advantage: at(row.advantage) },
        ...{ oldValue: at(row.oldValue), value: at(row.value), target: at(returns(row)) },
      };
    }),
  );

  it.each([64, 1])("%i threads", async (threads) => {
    const settings = { cliprange: 0.2, clipRange: 0.2, coef: 0.1 };
    const policy = (await run(tokens, settings, threads)).metrics;
    const all = tokens.map((token) => ({ ...token, weight: 1 / 8 }));
    const value = (await run(all, settings, threads)).metrics;
    const [policyLoss, valueLoss] = [policy["policyLoss"] as number, value["valueLoss"] as number];
    // Nine decimals; f32.
    expect(maxError([policyLoss], [-0.00479323])).toBeLessThan(1e-7);
    expect(maxError([valueLoss], [0.505466175])).toBeLessThan(1e-7);
    expect(maxError([policyLoss + 0.1 * valueLoss], [0.045753387])).toBeLessThan(1e-7);
    // TRL's mean is over all eight positions, of which the padded one adds 0.
    expect(maxError([(policy["approxKl"] as number) / 8], [0.02015625])).toBeLessThan(1e-7);
  });
});

describe("the oracles of ppo losses", () => {
  const h = 1e-6;
  it("have gradients that differences confirm", () => {
    const { cliprange, clipRange, coef } = SETTINGS;
    for (const token of someTokens(31, 60)) {
      const policy = (by: number) => reference.ppoPolicyLoss({ ...token, logp: token.logp + by }, cliprange);
      const difference = (policy(h).loss - policy(-h).loss) / (2 * h);
      expect(policy(0).dLogp).toBeCloseTo(difference, 8);
      const { oldValue: old, target, weight } = token;
      const value = (by: number) =>
        reference.valueLoss({ value: token.value + by, old, target, weight }, clipRange, coef);
      expect(value(0).dValue).toBeCloseTo((coef * (value(h).loss - value(-h).loss)) / (2 * h), 8);
    }
  });
});
