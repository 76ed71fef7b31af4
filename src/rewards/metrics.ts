import { spread } from "./combine.ts";

/** What of a score the metrics need. */
export interface NamedValues {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

/**
 * `rewards/<name>/mean` and `rewards/<name>/std` (n - 1) of each reward's own values, before normalize, clip and weight.
 * Completions to which it does not apply are left out, and so are means of none and deviations of one.
 */
export function rewardMetrics(rewards: readonly NamedValues[]): Readonly<Record<string, number>> {
  const entries = rewards.flatMap(({ name, values }): [string, number][] => {
    const over = spread(values);
    if (over === undefined) return [];
    const std: [string, number][] = over.std === undefined ? [] : [[`rewards/${name}/std`, over.std]];
    return [[`rewards/${name}/mean`, over.mean], ...std];
  });
  return Object.fromEntries(entries);
}
