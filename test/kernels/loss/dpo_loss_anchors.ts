import type { DpoLossSettings, DpoLossType } from "../../../src/kernels/loss/dpo_loss.ts";
import type { DpoPair, DpoToken } from "../../reference/dpo_loss.ts";
import { headBackward, headForward } from "../../reference/head.ts";

/** Two pairs over a vocabulary of five, of which TRL's DPOTrainer gave the numbers below; also the gradient by the logits. */
const IDS = [
  [1, 2, 3, 4, 0, 0],
  [2, 1, 4, 3, 2, 0],
  [1, 2, 0, 3, 1, 2],
  [2, 1, 1, 0, 0, 0],
];
const LAST = [4, 4, 5, 3]; // of the completions, which begin at position 2
const LOGITS = (r: number, position: number, scale: number, shift: number) =>
  Array.from({ length: 5 }, (_, v) => scale * 1.5 * Math.sin(shift + 0.7 * (30 * r + 5 * position + v)));
const PLAIN_HEAD = { softcap: 0, temperature: 1 };

function anchorRow(r: number): { token: DpoToken; logits: number[]; target: number }[] {
  return Array.from({ length: (LAST[r] as number) - 1 }, (_, i) => {
    const target = IDS[r]?.[i + 2] as number;
    const logits = LOGITS(r, i + 1, 1, 0.3);
    const { logp, entropy, lse, meanLogp, argmax, logCollision } = headForward(logits, target, PLAIN_HEAD);
    const ref = headForward(LOGITS(r, i + 1, 0.8, 0.9), target, PLAIN_HEAD).logp;
    const token = { logp, ref, entropy, logit: meanLogp + lse, logCollision, correct: argmax === target };
    return { token, logits, target };
  });
}

const ANCHOR_ROWS = [0, 2, 1, 3].map(anchorRow);
export const ANCHOR_PAIRS: DpoPair[] = [0, 1].map((i) => ({
  chosen: (ANCHOR_ROWS[2 * i] ?? []).map(({ token }) => token),
  rejected: (ANCHOR_ROWS[2 * i + 1] ?? []).map(({ token }) => token),
  weight: 1 / 2,
  sftWeight: 1 / 6,
}));

/** The norm of the gradient by the logits. */
export const normOfLogits = (dLogp: readonly number[]) =>
  Math.hypot(
    ...ANCHOR_ROWS.flat().flatMap(({ logits, target }, m) =>
      headBackward(logits, target, [dLogp[m] as number, 0, 0], PLAIN_HEAD),
    ),
  );

export interface Anchor extends Partial<DpoLossSettings> {
  readonly name: string;
  readonly loss: number;
  readonly norm?: number;
}

const ofType = (type: DpoLossType, loss: number, norm?: number, labelSmoothing = 0): Anchor => ({
  ...{ name: type, losses: [{ type, weight: 1 }], labelSmoothing, loss },
  ...(norm === undefined ? {} : { norm }),
});

export const ANCHORS: readonly Anchor[] = [
  ofType("sigmoid", 0.70208492, 0.081876605),
  ofType("hinge", 1.015785239, 0.161127851),
  ofType("ipo", 25.222999318, 5.645666677),
  ofType("nca_pair", 1.390927354, 0.041142845),
  ofType("bco_pair", 1.394742565, 0.081231488),
  ofType("sppo_hard", 52.023047626, 16.699552546),
  ofType("aot", 0.70208492),
  ofType("aot_unpaired", 0.701134621, 0.081233376),
  ofType("apo_zero", 1.003943899, 0.040256584),
  ofType("apo_down", 1.001454286, 0.026129399),
  ofType("discopop", 0.832430337, 0.013733574),
  ofType("sft", 2.225836236, 0.408113033),
  ofType("sigmoid_norm", 0.693908023, 0.028316279),
  ofType("exo_pair", 2.789475477, 0.278855641, 1e-3),
  ofType("robust", 0.704058075, 0.10200216, 0.1),
  { ...ofType("aot", 0.700506396, undefined, 0.1), name: "aot with label smoothing" },
  { name: "ld_alpha .5", ldAlpha: 0.5, loss: 0.706324309, norm: 0.078427312 },
  { name: "WPO", weighting: true, loss: 0.179277656, norm: 0.020677739 },
  { name: "forward_kl", divergence: "forward_kl", loss: 0.708797135 },
  { name: "js_divergence", divergence: "js_divergence", loss: 0.698655551 },
  { name: "alpha_divergence .5", divergence: "alpha_divergence", loss: 0.705069304 },
  {
    name: "sigmoid .8, bco_pair .2, sft 1",
    losses: [
      { type: "sigmoid", weight: 0.8 },
      { type: "bco_pair", weight: 0.2 },
      { type: "sft", weight: 1 },
    ],
    loss: 3.066452685,
    norm: 0.473206711,
  },
];

/** Means over the pairs, of sigmoid. */
export const ANCHOR_METRICS = {
  rewardsChosen: -0.0099438,
  rewardsRejected: 0.0058415,
  rewardsAccuracies: 0.5,
  logpsChosen: -6.6775087,
  logpsRejected: -4.1314924,
};
