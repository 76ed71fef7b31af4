/** Mean and sample standard deviation (n - 1). The deviation of fewer than two values is 0. */
export interface Moments {
  readonly mean: number;
  readonly std: number;
}

/**
 * Equal values give exactly themselves and 0: a sum of roundings must not make a difference where there is none.
 * An empty list gives mean 0.
 */
export function moments(values: readonly number[]): Moments {
  const [first] = values;
  if (first === undefined) return { mean: 0, std: 0 };
  if (values.every((value) => value === first)) return { mean: first, std: 0 };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: Math.sqrt(squares / (values.length - 1)) };
}
