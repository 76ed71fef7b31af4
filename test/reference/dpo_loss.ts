/** CPU oracle for shaders/loss/dpo_rows.wgsl, dpo_pairs.wgsl and dpo_tokens.wgsl: float64, derivatives carried beside values. */

import type { DpoLossSettings, DpoLossType } from "../../src/kernels/loss/dpo_loss.ts";

export interface DpoToken {
  readonly logp: number;
  readonly ref: number;
  readonly entropy: number;
  /** Mean over the vocabulary of the logits. */
  readonly logit: number;
  readonly logCollision: number;
  readonly correct: boolean;
}

export interface DpoPair {
  readonly chosen: readonly DpoToken[];
  readonly rejected: readonly DpoToken[];
  readonly weight: number;
  /** Of each chosen token, for sft. */
  readonly sftWeight: number;
}

export interface DpoResult {
  readonly loss: number;
  /** Chosen and rejected tokens of one pair after the other. */
  readonly dLogp: readonly number[];
  /** Fields of DPO_METRICS but nonFinite. */
  readonly metrics: Readonly<Record<string, number>>;
  /** logp, ref, scaled logp and scaled ref of each row. */
  readonly stats: readonly (readonly number[])[];
}

/** A number and its derivatives by the scaled log-probability of every row. */
class Dual {
  readonly value: number;
  readonly slopes: readonly number[];

  constructor(value: number, slopes: readonly number[]) {
    this.value = value;
    this.slopes = slopes;
  }

  /** f(this), given its value and derivative there. */
  map(value: number, slope: number): Dual {
    return new Dual(
      value,
      this.slopes.map((v) => v * slope),
    );
  }
  plus(other: Dual | number): Dual {
    if (typeof other === "number") return this.map(this.value + other, 1);
    return new Dual(
      this.value + other.value,
      this.slopes.map((v, i) => v + (other.slopes[i] ?? 0)),
    );
  }
  times(other: Dual | number): Dual {
    if (typeof other === "number") return this.map(this.value * other, other);
    return new Dual(
      this.value * other.value,
      this.slopes.map((v, i) => v * other.value + (other.slopes[i] ?? 0) * this.value),
    );
  }
  minus(other: Dual | number): Dual {
    return this.plus(typeof other === "number" ? -other : other.times(-1));
  }
  exp(): Dual {
    return this.map(Math.exp(this.value), Math.exp(this.value));
  }
  sigmoid(): Dual {
    const s = 1 / (1 + Math.exp(-this.value));
    return this.map(s, s * (1 - s));
  }
  logSigmoid(): Dual {
    const x = this.value;
    return this.map(Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))), 1 / (1 + Math.exp(x)));
  }
  square(): Dual {
    return this.times(this);
  }
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

function score(u: Dual, { divergence, alphaCoef }: DpoLossSettings): Dual {
  if (divergence === "forward_kl") return u.times(-1).exp().times(-1).plus(1);
  if (divergence === "js_divergence") return u.logSigmoid().plus(Math.LN2);
  if (divergence === "alpha_divergence" && Math.abs(alphaCoef - 1) >= 1e-6) {
    const q = alphaCoef - 1;
    return u
      .times(q)
      .exp()
      .minus(1)
      .times(1 / q);
  }
  return u;
}

interface PairTerms {
  readonly c: Dual;
  readonly r: Dual;
  /** g(c) - g(r), and the same of scores per token. */
  readonly difference: Dual;
  readonly meanDifference: Dual;
  /** The pair's place in sorted differences, for the two types that compare distributions. */
  readonly aot: Dual;
  readonly aotUnpaired: Dual;
}

const smoothed = (x: Dual, e: number) =>
  x
    .logSigmoid()
    .times(e - 1)
    .minus(x.times(-1).logSigmoid().times(e));

type PairLoss = (terms: PairTerms, s: DpoLossSettings) => Dual;

const PAIR_LOSSES: Readonly<Record<Exclude<DpoLossType, "sft">, PairLoss>> = {
  sigmoid: ({ difference }, s) => smoothed(difference.times(s.beta), s.labelSmoothing),
  hinge: ({ difference }, { beta }) => {
    const margin = difference.times(-beta).plus(1);
    return margin.value > 0 ? margin : margin.times(0);
  },
  ipo: ({ meanDifference }, { beta }) => meanDifference.minus(1 / (2 * beta)).square(),
  sigmoid_norm: ({ meanDifference }, { beta }) => meanDifference.times(beta).logSigmoid().times(-1),
  exo_pair: ({ difference }, { beta, labelSmoothing: e }) => {
    const [x, y] = [difference.times(beta), difference.times(-beta)];
    const chosen = x.sigmoid().times(x.logSigmoid().minus(Math.log(1 - e)));
    return chosen.plus(y.sigmoid().times(y.logSigmoid().minus(Math.log(e))));
  },
  nca_pair: ({ c, r }, { beta }) =>
    c
      .times(beta)
      .logSigmoid()
      .times(-1)
      .minus(c.times(-beta).logSigmoid().times(0.5))
      .minus(r.times(-beta).logSigmoid().times(0.5)),
  robust: ({ difference }, { beta, labelSmoothing: e }) => {
    const [x, y] = [difference.times(beta), difference.times(-beta)];
    const clean = x.logSigmoid().times(e - 1);
    return clean.plus(y.logSigmoid().times(e)).times(1 / (1 - 2 * e));
  },
  bco_pair: ({ c, r }, { beta }) => c.times(beta).logSigmoid().plus(r.times(-beta).logSigmoid()).times(-1),
  sppo_hard: ({ c, r }, { beta }) =>
    c
      .minus(1 / (2 * beta))
      .square()
      .plus(r.plus(1 / (2 * beta)).square()),
  aot: ({ aot }, s) => smoothed(aot.times(s.beta), s.labelSmoothing),
  aot_unpaired: ({ aotUnpaired }, s) => smoothed(aotUnpaired.times(s.beta), s.labelSmoothing),
  apo_zero: ({ c, r }, { beta }) => r.times(beta).sigmoid().minus(c.times(beta).sigmoid()).plus(1),
  apo_down: ({ c, r }, { beta }) => c.times(beta).sigmoid().minus(c.minus(r).times(beta).sigmoid()).plus(1),
  discopop: ({ difference }, { beta, discopopTau }) => {
    const x = difference.times(beta);
    const k = x.times(1 / discopopTau).sigmoid();
    const logistic = x.logSigmoid().times(-1);
    return logistic.plus(k.times(x.times(-1).exp().minus(logistic)));
  },
};

/** Ascending; equals keep their order. */
const sorted = (values: readonly Dual[]) => [...values].sort((a, b) => a.value - b.value);

/** `frozen` stands for what is not differentiated through: the same pairs, but where a test moves logp. */
export function dpoLoss(
  pairs: readonly DpoPair[],
  s: DpoLossSettings,
  frozen: readonly DpoPair[] = pairs,
): DpoResult {
  const rows = pairs.flatMap((pair) => [pair.chosen, pair.rejected]);
  const refOf = (token: DpoToken) => (s.referenceFree ? 0 : token.ref);
  const scales = rows.map((row, r) =>
    row.map((_, t) => (t < Math.min(row.length, rows[r ^ 1]?.length ?? 0) ? 1 : (s.ldAlpha ?? 1))),
  );
  const scaledSum = (r: number, of: (token: DpoToken) => number) =>
    sum((rows[r] ?? []).map((token, t) => of(token) * (scales[r]?.[t] ?? 0)));
  const logps = rows.map(
    (_, r) =>
      new Dual(
        scaledSum(r, (token) => token.logp),
        rows.map((_, i) => (i === r ? 1 : 0)),
      ),
  );
  const refs = rows.map((_, r) => scaledSum(r, refOf));
  const ratios = logps.map((logp, r) => logp.minus(refs[r] ?? 0));
  const at = <T>(values: readonly T[], i: number) => values[i] as T;
  const chosen = pairs.map((_, i) => at(ratios, 2 * i));
  const rejected = pairs.map((_, i) => at(ratios, 2 * i + 1));
  const differences = sorted(pairs.map((_, i) => at(logps, 2 * i).minus(at(logps, 2 * i + 1))));
  const refDifferences = pairs.map((_, i) => at(refs, 2 * i) - at(refs, 2 * i + 1)).sort((a, b) => a - b);
  const [sortedChosen, sortedRejected] = [sorted(chosen), sorted(rejected)];
  const terms = pairs.map((pair, i): PairTerms => {
    const [c, r] = [at(chosen, i), at(rejected, i)];
    const [x, y] = [Math.max(1, pair.chosen.length), Math.max(1, pair.rejected.length)];
    return {
      ...{ c, r },
      difference: score(c, s).minus(score(r, s)),
      meanDifference: score(c, s)
        .times(1 / x)
        .minus(score(r, s).times(1 / y)),
      aot: at(differences, i).minus(at(refDifferences, i)),
      aotUnpaired: at(sortedChosen, i).minus(at(sortedRejected, i)),
    };
  });
  const policyWeights = frozen.map((pair) => {
    const means = [pair.chosen, pair.rejected].map(
      (row) => sum(row.map((token) => token.logp - token.logCollision)) / Math.max(1, row.length),
    );
    return s.weighting ? Math.exp(sum(means)) : 1;
  });
  const sftScale = sum(policyWeights) / Math.max(1, pairs.length);
  const sftOf = (pair: DpoPair) =>
    sum(s.losses.map(({ type, weight }) => (type === "sft" ? weight : 0))) * pair.sftWeight * sftScale;

  let loss = new Dual(
    sum(pairs.map((pair) => -sftOf(pair) * sum(pair.chosen.map((token) => token.logp)))),
    rows.map(() => 0),
  );
  for (const { type, weight } of s.losses) {
    if (type === "sft") continue;
    const weighted = type !== "aot" && type !== "aot_unpaired";
    terms.forEach((term, i) => {
      const scale = weight * at(pairs, i).weight * (weighted ? at(policyWeights, i) : 1);
      loss = loss.plus(PAIR_LOSSES[type](term, s).times(scale));
    });
  }
  const all = rows.flat();
  const overPairs = (of: (pair: DpoPair, i: number) => number) => sum(pairs.map(of));
  const correct = (row: readonly DpoToken[]) => row.filter((token) => token.correct).length;
  return {
    loss: loss.value,
    dLogp: rows.flatMap((row, r) =>
      row.map(
        (_, t) => at(loss.slopes, r) * (scales[r]?.[t] ?? 0) - (r % 2 === 0 ? sftOf(at(pairs, r / 2)) : 0),
      ),
    ),
    metrics: {
      loss: loss.value,
      entropy: sum(all.map((token) => token.entropy)),
      correct: correct(all),
      live: all.length,
      logp: sum(all.map((token) => token.logp)),
      pairs: pairs.length,
      rewardsChosen: overPairs((_, i) => s.beta * at(chosen, i).value),
      rewardsRejected: overPairs((_, i) => s.beta * at(rejected, i).value),
      rewardsAccuracies: overPairs((_, i) => (at(chosen, i).value > at(rejected, i).value ? 1 : 0)),
      logpsChosen: overPairs((_, i) => at(logps, 2 * i).value),
      logpsRejected: overPairs((_, i) => at(logps, 2 * i + 1).value),
      logitsChosen: overPairs((pair) => sum(pair.chosen.map((token) => token.logit))),
      logitsRejected: overPairs((pair) => sum(pair.rejected.map((token) => token.logit))),
      chosenTokens: overPairs((pair) => pair.chosen.length),
      rejectedTokens: overPairs((pair) => pair.rejected.length),
      chosenCorrect: overPairs((pair) => correct(pair.chosen)),
    },
    stats: rows.map((row, r) => [
      sum(row.map((token) => token.logp)),
      sum(row.map(refOf)),
      at(logps, r).value,
      at(refs, r),
    ]),
  };
}
