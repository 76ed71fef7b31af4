/** CPU oracle for shaders/loss/group_loss.wgsl, group_metrics.wgsl and entropy_quantile.wgsl, in float64. */

import type { GroupLossSettings } from "../../src/kernels/loss/group_loss.ts";

export interface GroupToken {
  readonly logp: number;
  readonly entropy: number;
  readonly old: number;
  readonly ref: number;
  /** Mask x normaliser; 0 is a masked token. */
  readonly weight: number;
  readonly correct: boolean;
}

export interface GroupRow {
  readonly advantage: number;
  readonly bonus: number;
  readonly tokens: readonly GroupToken[];
}

export interface GroupResult {
  readonly loss: number;
  /** A row's tokens, one row after the other. */
  readonly dLogp: readonly number[];
  readonly dEntropy: readonly number[];
  /** Fields of GROUP_METRICS but nonFinite. */
  readonly metrics: Readonly<Record<string, number>>;
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const clip = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** torch.quantile with linear interpolation. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = q * (sorted.length - 1);
  const low = sorted[Math.floor(rank)] ?? 0;
  const high = sorted[Math.ceil(rank)] ?? 0;
  return low + (rank - Math.floor(rank)) * (high - low);
}

/** -min(min(ratio, delta) A, clip(ratio) A) and its slope by the ratio, as torch differentiates clamp and minimum. */
function surrogate(ratio: number, A: number, s: GroupLossSettings): [number, number] {
  const delta = s.delta ?? Number.POSITIVE_INFINITY;
  const [low, high] = [1 - s.epsilon, 1 + s.epsilonHigh];
  const free = Math.min(ratio, delta) * A;
  const clipped = clip(ratio, low, high) * A;
  const dFree = ratio <= delta ? A : 0;
  const dClipped = ratio >= low && ratio <= high ? A : 0;
  if (free === clipped) return [-free, -(dFree + dClipped) / 2];
  return free < clipped ? [-free, -dFree] : [-clipped, -dClipped];
}

/** `frozen` stands for the values that are not differentiated through: the same rows, but where a test moves logp. */
export function groupLoss(
  rows: readonly GroupRow[],
  s: GroupLossSettings,
  frozen: readonly GroupRow[] = rows,
): GroupResult {
  const live = rows.flatMap((row) => row.tokens.filter((token) => token.weight !== 0));
  const entropies = live.map((token) => token.entropy);
  const threshold =
    s.topEntropyQuantile < 1 ? quantile(entropies, 1 - s.topEntropyQuantile) : Number.NEGATIVE_INFINITY;
  const share = live.length / entropies.filter((entropy) => entropy >= threshold).length;
  const parts = rows.map((row, i) => rowLoss(row, frozen[i] ?? row, s, { threshold, share }));
  const liveRows = parts.filter((part) => part.live > 0);
  const total = (field: Exclude<keyof TokenPart, "slope" | "ratioSlope" | "dEntropy">) =>
    sum(parts.flatMap((part) => part.tokens.map((token) => token[field])));
  const perRow = s.level === "sequence";
  const clips = (field: "low" | "high" | "cispo") =>
    liveRows.map((part) => {
      const count = sum(part.tokens.map((token) => token[field]));
      return perRow ? Math.min(count, 1) : count;
    });
  const shares = (field: "low" | "high") =>
    clips(field).map((count, i) => (perRow ? count : count / (liveRows[i]?.live ?? 1)));
  return {
    loss: total("loss"),
    dLogp: parts.flatMap((part) => part.dLogp),
    dEntropy: parts.flatMap((part) => part.tokens.map((token) => token.dEntropy)),
    metrics: {
      loss: total("loss"),
      entropy: sum(entropies),
      correct: live.filter((token) => token.correct).length,
      live: live.length,
      logp: sum(live.map((token) => token.logp)),
      kl: total("kl"),
      clipLow: sum(clips("low")),
      clipHigh: sum(clips("high")),
      clipRegion: sum(clips("low")) + sum(clips("high")),
      clipCount: perRow ? liveRows.length : live.length,
      clipLowMin: liveRows.length === 0 ? 0 : Math.min(...shares("low")),
      clipHighMax: Math.max(0, ...shares("high")),
      rows: liveRows.length,
      cispoClip: sum(clips("cispo")),
      phi: s.lossType === "vespo" ? sum(liveRows.map((part) => part.phi)) : 0,
    },
  };
}

interface TokenPart {
  readonly loss: number;
  readonly kl: number;
  /** dloss/d logp beside what goes through the ratio. */
  readonly slope: number;
  readonly ratioSlope: number;
  readonly dEntropy: number;
  readonly low: number;
  readonly high: number;
  readonly cispo: number;
}

const MASKED: TokenPart = {
  ...{ loss: 0, kl: 0, slope: 0, ratioSlope: 0, dEntropy: 0 },
  ...{ low: 0, high: 0, cispo: 0 },
};

interface Cut {
  readonly threshold: number;
  readonly share: number;
}

function rowLoss(row: GroupRow, frozenRow: GroupRow, s: GroupLossSettings, cut: Cut) {
  const A = row.advantage;
  const mask = row.tokens.map((token) => (token.weight === 0 ? 0 : 1));
  const live = sum(mask);
  const n = Math.max(1, live);
  const old = row.tokens.map((token, t) => (s.onPolicy ? (frozenRow.tokens[t]?.logp ?? 0) : token.old));
  const logRatio = row.tokens.map((token, t) => token.logp - (old[t] ?? 0));
  const frozenRatio = frozenRow.tokens.map((token, t) => token.logp - (old[t] ?? 0));
  const masked = (values: readonly number[]) => sum(values.map((v, t) => v * (mask[t] ?? 0)));
  const perRow = s.level === "sequence";
  const ratioOf = (l: readonly number[], t: number) => Math.exp(perRow ? masked(l) / n : (l[t] ?? 0));

  const logW = clip(masked(frozenRatio.map((l) => clip(l, -20, 20))), Math.log(1e-8), 20);
  const [k, q] = A >= 0 ? [2, 3] : [3, 2];
  const phi = Math.exp(q + k * logW - q * Math.exp(logW));
  const onTrack = A >= 0 || -masked(frozenRatio) / n <= (s.offPolicyThreshold ?? Number.POSITIVE_INFINITY);

  const tokens = row.tokens.map((token, t) => {
    if (token.weight === 0) return MASKED;
    const ratio = ratioOf(logRatio, t);
    const inTop = token.entropy >= cut.threshold;
    const kept = onTrack && inTop ? token.weight : 0;
    const policy = policyTerm(token.logp, ratio, { A, constant: ratioOf(frozenRatio, t), phi }, s);
    const kl = s.beta === 0 ? ZERO : klTerm(token, ratio, s.biasCorrection);
    const w = token.weight * s.beta;
    const bonus = inTop ? row.bonus * cut.share : 0;
    return {
      loss: kept * policy.value + w * kl.value - bonus * token.entropy,
      kl: kl.value,
      slope: kept * policy.slope + w * kl.slope,
      ratioSlope: (kept * policy.ratioSlope + w * kl.ratioSlope) * ratio,
      dEntropy: -bonus,
      ...clipped(ratio, A, s),
    };
  });
  const ofRow = sum(tokens.map((token) => token.ratioSlope)) / n;
  const dLogp = tokens.map((token, t) => token.slope + (perRow ? (mask[t] ?? 0) * ofRow : token.ratioSlope));
  return { live, phi, tokens, dLogp };
}

/** A term of a token's loss, its slope by logp beside the ratio, and its slope by the ratio. */
interface Term {
  readonly value: number;
  readonly slope: number;
  readonly ratioSlope: number;
}

const ZERO: Term = { value: 0, slope: 0, ratioSlope: 0 };

function policyTerm(
  logp: number,
  ratio: number,
  { A, constant, phi }: { readonly A: number; readonly constant: number; readonly phi: number },
  s: GroupLossSettings,
): Term {
  if (s.lossType === "cispo" || s.lossType === "vespo") {
    const c = s.lossType === "cispo" ? Math.min(constant, s.epsilonHigh) : phi;
    return { value: -c * A * logp, slope: -c * A, ratioSlope: 0 };
  }
  if (s.lossType === "sapo") {
    const tau = A > 0 ? 1 : 1.05;
    const gate = sigmoid(tau * (ratio - 1));
    return { value: (-4 / tau) * gate * A, slope: 0, ratioSlope: -4 * gate * (1 - gate) * A };
  }
  const [value, ratioSlope] = surrogate(ratio, A, s);
  return { value, slope: 0, ratioSlope };
}

function klTerm({ logp, ref }: GroupToken, ratio: number, biasCorrection: boolean): Term {
  const d = ref - logp;
  const k3 = Math.exp(d) - d - 1;
  if (!biasCorrection) return { value: k3, slope: 1 - Math.exp(d), ratioSlope: 0 };
  return { value: ratio * k3, slope: ratio * (1 - Math.exp(d)), ratioSlope: k3 };
}

function clipped(ratio: number, A: number, { lossType, epsilon, epsilonHigh }: GroupLossSettings) {
  const none = { low: 0, high: 0, cispo: 0 };
  if (lossType === "sapo" || lossType === "vespo") return none;
  if (lossType === "cispo") return { ...none, cispo: ratio > epsilonHigh && A > 0 ? 1 : 0 };
  return {
    ...none,
    low: ratio < 1 - epsilon && A < 0 ? 1 : 0,
    high: ratio > 1 + epsilonHigh && A > 0 ? 1 : 0,
  };
}
