/** CPU oracles for shaders/embedding/*.wgsl: plain loops in float64. */
import { hash, unit } from "../../src/lib/random.ts";

type Numbers = ArrayLike<number>;

export interface Noise {
  /** Half width of the uniform noise. */
  readonly width: number;
  readonly tag: number;
  readonly seed: number;
  readonly step: number;
  readonly keys: Numbers;
}

/** y[n, c] = scale * weight[ids[n], c] + position[positions[n], c] + noise */
export function embeddingForward(
  weight: Numbers,
  ids: Numbers,
  C: number,
  scale: number,
  position?: { readonly weight: Numbers; readonly positions: Numbers },
  noise?: Noise,
): Float64Array {
  const y = new Float64Array(ids.length * C);
  for (let n = 0; n < ids.length; n++) {
    for (let c = 0; c < C; c++) {
      let value = scale * (weight[(ids[n] as number) * C + c] as number);
      if (position) value += position.weight[(position.positions[n] as number) * C + c] as number;
      if (noise) {
        const bits = hash(noise.seed, noise.step, noise.keys[n] as number, noise.tag, c);
        value += noise.width * (2 * unit(bits) - 1);
      }
      y[n * C + c] = value;
    }
  }
  return y;
}

/** The sums that are added to dw (rows, C): scale * the rows of dx with each id. */
export function embeddingBackward(
  dx: Numbers,
  ids: Numbers,
  rows: number,
  C: number,
  scale: number,
): Float64Array {
  const dw = new Float64Array(rows * C);
  for (let n = 0; n < ids.length; n++) {
    for (let c = 0; c < C; c++) {
      const at = (ids[n] as number) * C + c;
      dw[at] = (dw[at] as number) + scale * (dx[n * C + c] as number);
    }
  }
  return dw;
}
