import type { ScoreSample } from "../../protocol/setup.ts";
import { formatScore, plural } from "../format.ts";

const BINS = 10;

export interface ScoreBins {
  readonly counts: readonly number[];
  readonly least: number;
  readonly most: number;
}

/** Whole numbers as they are. */
export const scoreText = (score: number): string =>
  Number.isInteger(score) ? String(score) : formatScore(score);

const applied = ({ totals }: ScoreSample): readonly number[] => totals.filter((total) => total !== null);

/** Equal bins from the least score to the most; one bin where all are the same, none where there is no score. */
export function scoreBins(sample: ScoreSample): ScoreBins | null {
  const scores = applied(sample);
  if (scores.length === 0) return null;
  const [least, most] = [Math.min(...scores), Math.max(...scores)];
  const counts = Array.from({ length: least === most ? 1 : BINS }, () => 0);
  for (const score of scores) {
    const bin =
      least === most ? 0 : Math.min(BINS - 1, Math.floor(((score - least) / (most - least)) * BINS));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return { counts, least, most };
}

/** What the scores say, in words, and whether there is something to learn from them. */
export function scoreVerdict(sample: ScoreSample): { readonly text: string; readonly good: boolean } {
  const scores = applied(sample);
  const answers = plural(sample.totals.length, "answer");
  if (scores.length === 0)
    return { text: `No reward applied to any of ${answers}: nothing to learn from.`, good: false };
  const [first = 0] = scores;
  const none = sample.totals.length - scores.length;
  const rest = none > 0 ? ` No reward applied to ${none} of ${answers}.` : "";
  if (scores.every((score) => score === first)) {
    const why = first === 0 ? "nothing to learn from" : "nothing tells answers apart";
    return { text: `All scores are ${scoreText(first)}: ${why}.${rest}`, good: false };
  }
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const [least, most] = [Math.min(...scores), Math.max(...scores)];
  return {
    text: `${plural(scores.length, "answer")} got ${scoreText(least)} to ${scoreText(most)}, ${scoreText(mean)} on average.${rest}`,
    good: true,
  };
}
