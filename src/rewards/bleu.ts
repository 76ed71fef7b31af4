import { defineReward } from "./reward.ts";
import { ngrams, overlap, words } from "./words.ts";

const ORDERS = [1, 2, 3, 4];
const ENTITIES: readonly (readonly [string, string])[] = [
  ["&quot;", '"'],
  ["&amp;", "&"],
  ["&lt;", "<"],
  ["&gt;", ">"],
];

/** Words as mteval-v13a has them: punctuation apart, but not within numbers. */
export function tokenize13a(text: string): readonly string[] {
  const joined = text.replaceAll("<skipped>", "").replaceAll("-\n", "").replaceAll("\n", " ");
  const plain = ENTITIES.reduce((line, [entity, character]) => line.replaceAll(entity, character), joined);
  return words(
    ` ${plain} `
      .replace(/([{-~[-` -&(-+:-@/])/g, " $1 ")
      .replace(/([^0-9])([.,])/g, "$1 $2 ")
      .replace(/([.,])([^0-9])/g, " $1 $2")
      .replace(/([0-9])(-)/g, "$1 $2 "),
  );
}

/**
 * BLEU of one sentence, 0 to 1: the geometric mean of the shares of the answer's n-grams that the reference has (n to 4, or
 * to the answer's length), times exp(1 - r / c) for an answer of c words shorter than the reference's r. The k-th order
 * without a match counts as 1 / (2^k n-grams). As sacrebleu.sentence_bleu / 100.
 */
export function sentenceBleu(answer: string, reference: string): number {
  const [own, other] = [tokenize13a(answer), tokenize13a(reference)];
  const orders = ORDERS.filter((n) => own.length >= n).map((n) => {
    const all = ngrams(own, n);
    return { total: all.length, matches: overlap(all, ngrams(other, n)) };
  });
  if (orders.every(({ matches }) => matches === 0)) return 0;
  let misses = 0;
  const logs = orders.map(({ total, matches }) => {
    if (matches === 0) misses++;
    return Math.log(matches === 0 ? 1 / (2 ** misses * total) : matches / total);
  });
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  return Math.exp(mean + Math.min(0, 1 - other.length / own.length));
}

export const bleu = defineReward(
  "bleu",
  () =>
    ({ completion, reference }) =>
      reference === null || reference.trim() === "" ? null : sentenceBleu(completion, reference),
);
