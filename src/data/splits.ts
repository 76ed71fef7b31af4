import { AppError } from "../lib/errors.ts";
import { hash, Random, unit } from "../lib/random.ts";

export type SplitName = "train" | "validation" | "test";

export interface SplitOptions {
  readonly valSplitRatio: number;
  readonly testSplitRatio: number;
  readonly seed: number;
}

/** What a dataset without splits of its own is cut into when nothing is said. */
export const DEFAULT_SPLIT = { valSplitRatio: 0.1, testSplitRatio: 0.1 } as const;

/** Distinguishes the split from every other use of the seed. */
const STREAM = 0x73706c69;

/**
 * Row numbers of the three parts, each in file order; they depend on the seed and the number of rows alone. A ratio
 * of 0 holds nothing out; any other at least one row. Fewer than 3 rows are all trained on, as in AlignTune.
 * Throws `config-invalid` when the ratios leave nothing to train on.
 */
export function splitRows(rows: number, options: SplitOptions): Record<SplitName, number[]> {
  const { valSplitRatio: validation, testSplitRatio: test, seed } = options;
  if (!(validation >= 0 && test >= 0 && validation + test < 1)) {
    throw new AppError(
      "config-invalid",
      `val_split_ratio (${validation}) and test_split_ratio (${test}) must be 0 or more and together less than 1.`,
    );
  }
  const sorted = (list: number[]) => list.toSorted((a, b) => a - b);
  const order = new Random(seed, STREAM).permutation(rows);
  if (rows < 3) return { train: sorted(order), validation: [], test: [] };
  const share = (ratio: number) => (ratio === 0 ? 0 : Math.max(1, Math.round(rows * ratio)));
  const inTest = share(test);
  const inValidation = Math.min(share(validation), rows - inTest - 1);
  return {
    test: sorted(order.slice(0, inTest)),
    validation: sorted(order.slice(inTest, inTest + inValidation)),
    train: sorted(order.slice(inTest + inValidation)),
  };
}

/**
 * The part that a row falls into, by its number and the seed alone: what cuts rows that are only counted. The shares come out
 * as the ratios say on average.
 */
export function partOfRow(row: number, { valSplitRatio, testSplitRatio, seed }: SplitOptions): SplitName {
  if (valSplitRatio === 0 && testSplitRatio === 0) return "train";
  const u = unit(hash(seed, STREAM, row));
  if (u < testSplitRatio) return "test";
  return u < testSplitRatio + valSplitRatio ? "validation" : "train";
}

/** The part a name stands for: train*, valid*, val, dev*, test*, eval*. Undefined when it says nothing. */
export function splitName(name: string): SplitName | undefined {
  const lower = name.toLowerCase();
  if (lower.startsWith("train")) return "train";
  if (lower.startsWith("val") || lower.startsWith("dev")) return "validation";
  return lower.startsWith("test") || lower.startsWith("eval") ? "test" : undefined;
}
