export const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== "");

/** Every run of n neighbours, as one text each. */
export const ngrams = (list: readonly (string | number)[], n: number): readonly string[] =>
  Array.from({ length: Math.max(0, list.length - n + 1) }, (_, i) => list.slice(i, i + n).join("\u0000"));

/** How often each occurs. */
export function counts(list: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const item of list) found.set(item, (found.get(item) ?? 0) + 1);
  return found;
}

/** How many two lists have in common, each as often as in the list that has fewer of it. */
export function overlap(a: readonly string[], b: readonly string[]): number {
  const other = counts(b);
  return [...counts(a)].reduce((sum, [item, count]) => sum + Math.min(count, other.get(item) ?? 0), 0);
}
