import { stemOf } from "./porter_stemmer.ts";
import { defineReward } from "./reward.ts";
import { ngrams, overlap, words } from "./words.ts";

/** Letters and digits in lower case, of any script; English words of more than three letters by their stem. */
function tokenize(text: string, stem: boolean): readonly string[] {
  const plain = words(text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " "));
  return stem
    ? plain.map((word) => (word.length > 3 && /^[a-z0-9]+$/.test(word) ? stemOf(word) : word))
    : plain;
}

/** Length of the longest common subsequence. */
function common(a: readonly string[], b: readonly string[]): number {
  const row = new Uint32Array(b.length + 1);
  for (const word of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j] ?? 0;
      row[j] = word === b[j - 1] ? diagonal + 1 : Math.max(above, row[j - 1] ?? 0);
      diagonal = above;
    }
  }
  return row[b.length] ?? 0;
}

/** F1 of precision (shared / answer's) and recall (shared / reference's): 2 shared / (answer's + reference's). */
export function rougeScore(
  answer: string,
  reference: string,
  kind: "rouge1" | "rouge2" | "rougeL",
  stem: boolean,
): number {
  const [own, other] = [tokenize(answer, stem), tokenize(reference, stem)];
  if (kind === "rougeL")
    return own.length + other.length === 0 ? 0 : (2 * common(own, other)) / (own.length + other.length);
  const n = kind === "rouge1" ? 1 : 2;
  const [mine, theirs] = [ngrams(own, n), ngrams(other, n)];
  return mine.length + theirs.length === 0 ? 0 : (2 * overlap(mine, theirs)) / (mine.length + theirs.length);
}

export const rouge = defineReward(
  "rouge",
  ({ rouge_type: kind, use_stemmer: stem }) =>
    ({ completion, reference }) =>
      reference === null || reference.trim() === "" ? null : rougeScore(completion, reference, kind, stem),
);
