import { describe, expect, it } from "vitest";
import {
  entropyWeight,
  type GroupLoss,
  tokenWeights,
  type WeightOptions,
} from "../../src/losses/token_weights.ts";
import { ADVANTAGES as A, ENTROPY as H, LENGTHS, LOGP, OLD } from "../kernels/loss/group_loss_anchors.ts";

const options: WeightOptions = {
  lossType: "grpo",
  microBatches: 1,
  rolloutTokens: 14,
  stepsPerGeneration: 1,
  maxCompletionLength: 8,
};

type TokenLoss = (row: number, t: number) => number;
const at = (table: readonly (readonly number[])[], row: number, t: number) => table[row]?.[t] ?? 0;
const ratio: TokenLoss = (row, t) => Math.exp(at(LOGP, row, t) - at(OLD, row, t));
const meanRatio: TokenLoss = (row) => {
  const length = LENGTHS[row] ?? 0;
  let sum = 0;
  for (let t = 0; t < length; t++) sum += at(LOGP, row, t) - at(OLD, row, t);
  return Math.exp(sum / length);
};
const clipped =
  (rho: TokenLoss, high: number): TokenLoss =>
  (row, t) => {
    const a = A[row] ?? 0;
    const r = rho(row, t);
    return -Math.min(r * a, Math.min(Math.max(r, 0.8), 1 + high) * a);
  };
const cispo: TokenLoss = (row, t) => -Math.min(ratio(row, t), 5) * (A[row] ?? 0) * at(LOGP, row, t);
const sapo: TokenLoss = (row, t) => {
  const a = A[row] ?? 0;
  const tau = a > 0 ? 1 : 1.05;
  return (-(4 / tau) * a) / (1 + Math.exp(-tau * (ratio(row, t) - 1)));
};

/** Sum of weight * token loss, as the loss kernel forms it. */
function lossOf(loss: TokenLoss, changes: Partial<WeightOptions>): number {
  const weights = tokenWeights(LENGTHS, { ...options, ...changes });
  let total = 0;
  LENGTHS.forEach((length, row) => {
    for (let t = 0; t < length; t++) total += (weights[row] ?? 0) * loss(row, t);
  });
  return total;
}

describe("weights turn token losses into the losses of trl 1.13", () => {
  const level = clipped(ratio, 0.2);
  const sequence = clipped(meanRatio, 0.2);
  it.each<[string, TokenLoss, Partial<WeightOptions>, number]>([
    ["grpo", level, {}, -0.013206329],
    ["bnpo", level, { lossType: "bnpo" }, 0.054984822],
    ["dr_grpo", level, { lossType: "dr_grpo" }, 0.02405586],
    ["dapo", clipped(ratio, 0.28), { lossType: "dapo" }, 0.048127679],
    [
      "dapo over half a rollout",
      level,
      { lossType: "dapo", microBatches: 2, stepsPerGeneration: 4 },
      0.109969644,
    ],
    ["grpo by sequence", sequence, {}, -0.071285241],
    ["dapo by sequence", sequence, { lossType: "dapo" }, -0.008228646],
    ["luspo", sequence, { lossType: "luspo" }, -0.02880026],
    ["cispo", cispo, { lossType: "cispo" }, 0.022556392],
    ["sapo", sapo, { lossType: "sapo" }, -0.113941403],
  ])("%s", (_, loss, changes, expected) => {
    // trl summed in float32.
    expect(lossOf(loss, changes)).toBeCloseTo(expected, 7);
  });

  it("the entropy bonus", () => {
    const weight = entropyWeight(14, { entropyCoef: 0.01, microBatches: 1 });
    const entropies = LENGTHS.flatMap((length, row) => H[row]?.slice(0, length) ?? []);
    const bonus = entropies.reduce((sum, h) => sum + weight * h, 0);
    expect(lossOf(level, { lossType: "dapo" }) + bonus).toBeCloseTo(0.045949108, 8);
  });

  it("the entropy bonus of the uncertain half alone, whose surrogate is left out of the others", () => {
    const all = LENGTHS.flatMap((length, row) => H[row]?.slice(0, length) ?? []).toSorted((a, b) => a - b);
    const threshold = ((all[6] ?? 0) + (all[7] ?? 0)) / 2;
    const uncertain: TokenLoss = (row, t) => (at(H, row, t) >= threshold ? level(row, t) : 0);
    const kept = all.filter((h) => h >= threshold);
    const weight = entropyWeight(kept.length, { entropyCoef: 0.01, microBatches: 1 });
    const bonus = kept.reduce((sum, h) => sum + weight * h, 0);
    expect(lossOf(uncertain, {}) + bonus).toBeCloseTo(0.029138496, 8);
  });
});

describe("what the weights of a step add up to", () => {
  const every: GroupLoss[] = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"];
  /** Two micro-batches; a row of the second is masked as a whole. */
  const micro = [
    [4, 5],
    [2, 0],
  ];
  const total = (lossType: GroupLoss) =>
    micro.reduce((sum, rows) => {
      const weights = tokenWeights(rows, {
        ...options,
        lossType,
        microBatches: 2,
        stepsPerGeneration: 2,
        rolloutTokens: 11,
      });
      return sum + rows.reduce((part, tokens, i) => part + tokens * (weights[i] ?? 0), 0);
    }, 0);

  it("one for means over live tokens; rows that are masked as a whole still count in means over rows", () => {
    for (const lossType of ["bnpo", "dapo", "cispo", "vespo"] as const)
      expect(total(lossType)).toBeCloseTo(1, 12);
    expect(total("grpo")).toBeCloseTo((1 + 1 / 2) / 2, 12);
    expect(total("sapo")).toBeCloseTo((1 + 1 / 2) / 2, 12);
    expect(total("dr_grpo")).toBeCloseTo((9 / 16 + 2 / 16) / 2, 12);
    expect(total("luspo")).toBeCloseTo((9 / 2 + 2 / 2) / 2, 12);
  });

  it("a micro-batch without a live token divides by nothing", () => {
    for (const lossType of every) {
      const weights = tokenWeights([0, 0], { ...options, lossType, rolloutTokens: 0 });
      expect(weights.every(Number.isFinite)).toBe(true);
    }
    expect(entropyWeight(0, { entropyCoef: 0.1, microBatches: 2 })).toBe(-0.05);
    expect(entropyWeight(9, { entropyCoef: 0, microBatches: 2 })).toBe(0);
  });

  it("dapo does not depend on how the rollout is cut; bnpo does", () => {
    const step = (lossType: GroupLoss, cut: readonly (readonly number[])[]) =>
      cut.flatMap((rows) => [
        ...tokenWeights(rows, {
          ...options,
          lossType,
          rolloutTokens: 10,
          microBatches: cut.length,
          stepsPerGeneration: cut.length,
        }),
      ]);
    const whole = [[1, 2, 3, 4]];
    const halves = [
      [1, 2],
      [3, 4],
    ];
    expect(step("dapo", halves)).toEqual(step("dapo", whole));
    expect(step("bnpo", halves)).not.toEqual(step("bnpo", whole));
  });
});
