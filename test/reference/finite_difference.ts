import { normals } from "../tiny_model.ts";

/** The same values as float64, with one tensor moved along a direction. */
export function moved(
  values: ReadonlyMap<string, ArrayLike<number>>,
  name: string,
  direction: ArrayLike<number>,
  h: number,
): ReadonlyMap<string, ArrayLike<number>> {
  const start = values.get(name);
  if (!start) throw new Error(`no ${name}`);
  const end = Float64Array.from(start, (value, i) => value + h * (direction[i] ?? 0));
  return new Map([...values, [name, end]]);
}

/** Half the step of a central difference in float64: its own error is h^2 = 1e-10 and 1e-16 / h = 1e-11. */
const H = 1e-5;

/**
 * The worst |<gradient, direction> - difference| / |gradient| over all tensors, along a random direction of length one for
 * each: a wrong gradient is orthogonal to none of them but by chance.
 */
export function worstError(
  grads: ReadonlyMap<string, { readonly data: Float32Array }>,
  loss: (name: string, direction: Float32Array, h: number) => number,
): { error: number; name: string } {
  let worst = { error: 0, name: "nothing was compared" };
  let seed = 500;
  for (const [name, { data }] of grads) {
    const raw = normals(seed++, data.length, 1);
    const length = Math.sqrt(raw.reduce((sum, v) => sum + v * v, 0));
    const direction = raw.map((v) => v / length);
    const expected = (loss(name, direction, H) - loss(name, direction, -H)) / (2 * H);
    const actual = data.reduce((sum, g, i) => sum + g * (direction[i] ?? 0), 0);
    // A tensor of n elements has its length spread over all of them: a direction meets 1 / sqrt(n) of it.
    const size = Math.sqrt(data.reduce((sum, g) => sum + g * g, 0)) / Math.sqrt(data.length);
    const error = Math.abs(actual - expected) / Math.max(size, 1e-7);
    if (!(error <= worst.error)) worst = { error, name };
  }
  return worst;
}
