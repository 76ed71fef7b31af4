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

type Values = ReadonlyMap<string, ArrayLike<number>>;
type Gradients = ReadonlyMap<string, { readonly data: Float32Array }>;

/**
 * The worst |<gradient, direction> - difference| / |gradient| over all tensors, along a random direction of length one for
 * each: a wrong gradient is orthogonal to none of them but by chance.
 */
export function worstError(
  grads: Gradients,
  loss: (name: string, direction: Float32Array, h: number) => number,
): { error: number; name: string } {
  let worst = { error: 0, name: "nothing was compared" };
  let seed = 500;
  for (const [name, { data }] of grads) {
    const direction = randomDirection(seed++, data.length);
    const error = errorAlong(data, direction, (h) => loss(name, direction, h));
    if (!(error <= worst.error)) worst = { error, name };
  }
  return worst;
}

/** The same along a few directions through all tensors of a part at once: for losses that take long. */
export function worstErrorOfParts(
  values: Values,
  grads: Gradients,
  partOf: (name: string) => string,
  loss: (values: Values) => number,
): { error: number; name: string } {
  let worst = { error: 0, name: "nothing was compared" };
  for (const part of new Set([...grads.keys()].map(partOf))) {
    const names = [...grads.keys()].filter((name) => partOf(name) === part);
    const data = Float32Array.from(names.flatMap((name) => [...(grads.get(name)?.data ?? [])]));
    for (let seed = 500; seed < 503; seed++) {
      const direction = randomDirection(seed, data.length);
      const error = errorAlong(data, direction, (h) => {
        let at = 0;
        let end = values;
        for (const name of names) {
          const length = grads.get(name)?.data.length ?? 0;
          end = moved(end, name, direction.subarray(at, at + length), h);
          at += length;
        }
        return loss(end);
      });
      if (!(error <= worst.error)) worst = { error, name: part };
    }
  }
  return worst;
}

function randomDirection(seed: number, n: number): Float32Array {
  const raw = normals(seed, n, 1);
  const length = Math.sqrt(raw.reduce((sum, v) => sum + v * v, 0));
  return raw.map((v) => v / length);
}

function errorAlong(gradient: Float32Array, direction: Float32Array, loss: (h: number) => number): number {
  const expected = (loss(H) - loss(-H)) / (2 * H);
  const actual = gradient.reduce((sum, g, i) => sum + g * (direction[i] ?? 0), 0);
  // n elements have their length spread over all of them: a direction meets 1 / sqrt(n) of it.
  const size = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0)) / Math.sqrt(gradient.length);
  return Math.abs(actual - expected) / Math.max(size, 1e-7);
}
