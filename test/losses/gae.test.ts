import { describe, expect, it } from "vitest";
import {
  adaptKlCoef,
  gae,
  type PpoOptions,
  type PpoRow,
  ppoTargets,
  tokenKl,
  tokenRewards,
  whiten,
} from "../../src/losses/gae.ts";
import { goldenCase, kept } from "./golden.ts";

const options: PpoOptions = {
  klCoef: 0.05,
  klEstimator: "k1",
  missingEosPenalty: null,
  gamma: 1,
  lam: 0.95,
  whitenRewards: false,
};

function expectClose(actual: ArrayLike<number>, expected: readonly number[], digits = 8) {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(actual[i]).toBeCloseTo(value, digits);
  });
}

describe("the numbers of trl's PPO trainer", () => {
  // Its first row ends at the third token and carries the score one column later, where log-probabilities agree:
  // as four tokens of ours it is the same row.
  const rows: PpoRow[] = [
    {
      score: 1.5,
      ended: true,
      oldLogp: [-1, -0.5, -2, -0.3],
      refLogp: [-1.2, -0.4, -1.5, -0.3],
      values: [0.1, 0.2, -0.1, 0.3],
    },
    {
      score: -0.5,
      ended: true,
      oldLogp: [-0.2, -1.5, -0.7, -1.1],
      refLogp: [-0.4, -1, -0.9, -1.4],
      values: [0, 0.4, 0.2, -0.2],
    },
  ];
  const advantagesOf = (klEstimator: "k1" | "k3") =>
    rows.map((row) => gae(tokenRewards(row, { ...options, klEstimator }), row.values, options));
  /** Its means are over the tokens up to the end: three and four. */
  const whitened = (klEstimator: "k1" | "k3") =>
    whiten(advantagesOf(klEstimator).map(({ advantages }, i) => advantages.slice(0, i + 3))).flatMap(
      (row) => [...row],
    );

  it("rewards", () => {
    expectClose(
      rows.flatMap((row) => [...tokenRewards(row, options)]),
      [-0.01, 0.005, 0.025, 1.5, -0.01, 0.025, -0.01, -0.515],
    );
  });

  it("advantages and returns", () => {
    const [first, second] = advantagesOf("k1");
    expectClose(first?.advantages ?? [], [1.2221625, 1.19175, 1.565, 1.2]);
    expectClose(second?.advantages ?? [], [-0.416348125, -0.8487875, -0.70925, -0.315]);
    expectClose(first?.returns ?? [], [1.3221625, 1.39175, 1.465, 1.5]);
  });

  it("whitened, with k1 and with k3", () => {
    expectClose(
      whitened("k1"),
      [0.945863773, 0.916534616, 1.276488844, -0.63428044, -1.051315621, -0.916748674, -0.536542499],
    );
    expectClose(
      whitened("k3"),
      [0.94852882, 0.908002649, 1.278010488, -0.637745523, -1.07178553, -0.901901589, -0.523109314],
    );
  });
});

it.each(["rl-ppo-gpt2", "rl-ppo-qwen3"])("%s: advantages and returns of the golden case", async (name) => {
  const { params, rows: tensor } = goldenCase(name);
  const mask = await tensor("completion_mask");
  const scores = (await tensor("scores")).flat();
  const oldLogp = kept(await tensor("old_logps"), mask);
  const refLogp = kept(await tensor("ref_logps"), mask);
  const values = kept(await tensor("old_values"), mask);
  const rows = scores.map((score, i) => ({
    ...{ score, ended: true, oldLogp: oldLogp[i] ?? [], refLogp: refLogp[i] ?? [], values: values[i] ?? [] },
  }));
  const { advantages, returns } = ppoTargets(rows, {
    ...options,
    klCoef: params["kl_coef"] as number,
    gamma: params["gamma"] as number,
    lam: params["lam"] as number,
  });
  // Inputs and expected values are stored in float32.
  expectClose(
    advantages.flatMap((row) => [...row]),
    kept(await tensor("advantages"), mask).flat(),
    5,
  );
  expectClose(
    returns.flatMap((row) => [...row]),
    kept(await tensor("returns"), mask).flat(),
    5,
  );
});

describe("rewards of tokens", () => {
  const row: PpoRow = { score: 2, ended: false, oldLogp: [-1, -3], refLogp: [-2, -1], values: [0, 0] };

  it("estimators of the KL", () => {
    expect([...tokenKl(row, "k1")]).toEqual([1, -2]);
    expectClose(tokenKl(row, "k3"), [Math.exp(-1) - 1 + 1, Math.exp(2) - 1 - 2], 12);
    expect([...tokenKl({ oldLogp: [-1], refLogp: [-1] }, "k3")]).toEqual([0]);
  });

  it("a completion that was cut pays the penalty, one that ended does not", () => {
    const strict = { ...options, klCoef: 0, missingEosPenalty: 0.75 };
    expect([...tokenRewards(row, strict)]).toEqual([0, 1.25]);
    expect([...tokenRewards({ ...row, ended: true }, strict)]).toEqual([0, 2]);
  });

  it("metrics are means over rows; the penalty is part of the score", () => {
    const { metrics, meanKl } = ppoTargets([row, { ...row, ended: true }], {
      ...options,
      klCoef: 0.5,
      missingEosPenalty: 1,
    });
    expect(meanKl).toBe(-1);
    expect(metrics).toEqual({
      "objective/kl": -1,
      "objective/non_score_reward": 0.5,
      "objective/rlhf_reward": 2,
      "objective/scores": 1.5,
    });
  });
});

describe("generalised advantage estimation", () => {
  const rewards = [0.3, -0.2, 1, 0.4];
  const values = [0.5, -0.1, 0.2, 0.9];

  it("is the discounted sum of all later errors", () => {
    const { advantages } = gae(rewards, values, { gamma: 0.9, lam: 0.8 });
    const delta = rewards.map((r, t) => r + 0.9 * (values[t + 1] ?? 0) - (values[t] ?? 0));
    const brute = rewards.map((_, t) =>
      delta.slice(t).reduce((sum, error, k) => sum + (0.9 * 0.8) ** k * error, 0),
    );
    expectClose(advantages, brute, 12);
  });

  it("lambda 1 gives what is left to earn, lambda 0 the error of one step", () => {
    expectClose(gae(rewards, values, { gamma: 1, lam: 1 }).returns, [1.5, 1.2, 1.4, 0.4], 12);
    expectClose(gae(rewards, values, { gamma: 1, lam: 0 }).advantages, [-0.3, 0.1, 1.7, -0.5], 12);
  });

  it("rows of other lengths change nothing but the whitening", () => {
    const row: PpoRow = { score: 1, ended: true, oldLogp: [-1, -1], refLogp: [-1.5, -1], values: [0.2, 0.1] };
    const alone = ppoTargets([row], options);
    const beside = ppoTargets([{ ...row, oldLogp: [-1], refLogp: [-1], values: [0] }, row], options);
    expect(beside.rawAdvantages[1]).toEqual(alone.rawAdvantages[0]);
    expect(beside.returns[1]).toEqual(alone.returns[0]);
    expect(beside.advantages[1]).not.toEqual(alone.advantages[0]);
  });
});

describe("whitening", () => {
  it("gives mean 0 and sample deviation 1 over the tokens of all rows", () => {
    const flat = whiten([Float64Array.of(1, 2), Float64Array.of(6)]).flatMap((row) => [...row]);
    expect(flat.reduce((sum, x) => sum + x, 0)).toBeCloseTo(0, 12);
    expect(flat.reduce((sum, x) => sum + x * x, 0) / 2).toBeCloseTo(1, 7);
  });

  it("can keep the mean, as whiten_rewards does", () => {
    const [row] = whiten([Float64Array.of(1, 3)], { keepMean: true });
    expectClose(row ?? [], [2 - 1 / Math.SQRT2, 2 + 1 / Math.SQRT2], 7);
  });

  it("rewards are whitened before advantages are formed", () => {
    const row: PpoRow = { score: 3, ended: true, oldLogp: [0, 0], refLogp: [0, 0], values: [0, 0] };
    const { returns } = ppoTargets([row], { ...options, lam: 1, whitenRewards: true });
    const scaled = whiten([Float64Array.of(0, 3)], { keepMean: true })[0] ?? new Float64Array(0);
    expectClose(returns[0] ?? [], [(scaled[0] ?? 0) + (scaled[1] ?? 0), scaled[1] ?? 0], 12);
  });

  it("one token and none are no division by zero", () => {
    expect(whiten([Float64Array.of(5), new Float64Array(0)])).toEqual([
      Float64Array.of(0),
      new Float64Array(0),
    ]);
    expect(whiten([])).toEqual([]);
  });
});

it("the adaptive controller moves towards its target, by at most a fifth of n over the horizon", () => {
  const target = { target: 6, horizon: 10000 };
  expect(adaptKlCoef(0.2, 6, 256, target)).toBe(0.2);
  expect(adaptKlCoef(0.2, 6.6, 1000, target)).toBeCloseTo(0.2 * 1.01, 12);
  expect(adaptKlCoef(0.2, 600, 1000, target)).toBeCloseTo(0.2 * 1.02, 12);
  expect(adaptKlCoef(0.2, 0, 1000, target)).toBeCloseTo(0.2 * 0.98, 12);
});
