import { invariant } from "../../lib/errors.ts";

/** How a model stretches its positions; the names and numbers of `rope_scaling` in its config.json. */
export type RopeScaling =
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  /**
   * Follows the length of what is computed, but only past max_position_embeddings: up to there, which is as far as rows go,
   * it is the default.
   */
  | { readonly type: "dynamic"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositions: number;
    }
  | {
      readonly type: "yarn";
      readonly factor: number;
      readonly originalMaxPositions: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Whether the range of the ramp is widened to whole pairs. */
      readonly truncate: boolean;
      /** The config's attention_factor, where it gives one; else it comes of the factor and, where both are given, these. */
      readonly attentionFactor?: number | undefined;
      readonly mscale?: number | undefined;
      readonly mscaleAllDim?: number | undefined;
    }
  | {
      readonly type: "longrope";
      /** One divisor a rotated pair: for sequences up to `originalMaxPositions`, and for longer ones. */
      readonly shortFactors: readonly number[];
      readonly longFactors: readonly number[];
      /** max_position_embeddings / original_max_position_embeddings, or the config's own factor. */
      readonly factor: number;
      readonly originalMaxPositions: number;
      /** The config's attention_factor, where it gives one. */
      readonly attentionFactor?: number | undefined;
    };

/** The angles of a rotation. */
export interface RopeAngles {
  readonly theta: number;
  /** Channels rotated, even. */
  readonly rotary: number;
  /** What the exponents are parts of: `rotary`, or one less where an odd number of channels was rounded up. */
  readonly dim?: number | undefined;
  readonly scaling: RopeScaling;
}

export interface RopeTableOptions extends RopeAngles {
  /** Rows of the table: positions 0 .. positions - 1. */
  readonly positions: number;
  /** The table of sequences that are longer than longrope's original length. */
  readonly long?: boolean;
}

/**
 * Cosines, then sines, of position * inverse frequency for each position: (positions, rotary), made in float64: WGSL's own
 * sin and cos may be off by 2^-11. Formulas: transformers, modeling_rope_utils.py; llama3's is also in Meta's llama-models.
 */
export function ropeTable(options: RopeTableOptions): Float32Array<ArrayBuffer> {
  const { rotary, positions, scaling, long = false } = options;
  invariant(rotary % 2 === 0, `rope table: rotary = ${rotary} is odd`);
  const half = rotary / 2;
  const frequencies = inverseFrequencies(options, long);
  const size = attentionFactor(scaling);
  const table = new Float32Array(positions * rotary);
  for (let position = 0; position < positions; position++) {
    frequencies.forEach((frequency, i) => {
      table[position * rotary + i] = size * Math.cos(position * frequency);
      table[position * rotary + half + i] = size * Math.sin(position * frequency);
    });
  }
  return table;
}

/** The angle one position adds, a rotated pair each; radians. */
export function inverseFrequencies(
  { theta, rotary, dim = rotary, scaling }: RopeAngles,
  long = false,
): Float64Array {
  const plain = Float64Array.from({ length: rotary / 2 }, (_, i) => theta ** ((-2 * i) / dim));
  switch (scaling.type) {
    case "default":
    case "dynamic":
      return plain;
    case "linear":
      return plain.map((frequency) => frequency / scaling.factor);
    case "llama3":
      return plain.map((frequency) => {
        const { factor, lowFreqFactor: low, highFreqFactor: high, originalMaxPositions: original } = scaling;
        const wavelength = (2 * Math.PI) / frequency;
        if (wavelength < original / high) return frequency;
        if (wavelength > original / low) return frequency / factor;
        const smooth = (original / wavelength - low) / (high - low);
        return ((1 - smooth) * frequency) / factor + smooth * frequency;
      });
    case "yarn": {
      const [low, high] = yarnRange(theta, dim, scaling);
      return plain.map((frequency, i) => {
        const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
        return (frequency / scaling.factor) * ramp + frequency * (1 - ramp);
      });
    }
    case "longrope": {
      const factors = long ? scaling.longFactors : scaling.shortFactors;
      invariant(
        factors.length === rotary / 2,
        `rope table: ${factors.length} longrope factors for ${rotary / 2} pairs`,
      );
      return plain.map((frequency, i) => frequency / (factors[i] ?? 1));
    }
  }
}

/** The pairs between which YaRN goes from frequencies that are kept to frequencies that are divided. arXiv:2309.00071 */
function yarnRange(
  theta: number,
  dim: number,
  { betaFast, betaSlow, originalMaxPositions, truncate }: Extract<RopeScaling, { type: "yarn" }>,
): [number, number] {
  const pairOf = (rotations: number) =>
    (dim * Math.log(originalMaxPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairOf(betaFast), pairOf(betaSlow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, dim - 1);
  return [low, low === high ? high + 0.001 : high];
}

/** What cosines and sines are multiplied by, and so the scores of rotated channels by its square. */
export function attentionFactor(scaling: RopeScaling): number {
  if (scaling.type !== "longrope" && scaling.type !== "yarn") return 1;
  const { attentionFactor: given, factor } = scaling;
  if (given !== undefined) return given;
  if (scaling.type === "longrope")
    return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(scaling.originalMaxPositions));
  const size = (mscale: number) => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const { mscale, mscaleAllDim } = scaling;
  return mscale && mscaleAllDim ? size(mscale) / size(mscaleAllDim) : size(1);
}
