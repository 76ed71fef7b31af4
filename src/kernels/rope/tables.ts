import { invariant } from "../../lib/errors.ts";

/** How a model stretches its positions; the names and numbers of `rope_scaling` in its config.json. */
export type RopeScaling =
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositions: number;
    }
  | {
      readonly type: "longrope";
      /** One divisor a rotated pair: the short list, or the long one past `originalMaxPositions`; the caller chooses. */
      readonly factors: readonly number[];
      /** max_position_embeddings / original_max_position_embeddings, or the config's own factor. */
      readonly factor: number;
      readonly originalMaxPositions: number;
      /** The config's attention_factor, where it gives one. */
      readonly attentionFactor?: number | undefined;
    };

export interface RopeTableOptions {
  readonly theta: number;
  /** Channels rotated, even. */
  readonly rotary: number;
  /** Rows of the table: positions 0 .. positions - 1. */
  readonly positions: number;
  readonly scaling: RopeScaling;
}

/**
 * Cosines, then sines, of position * inverse frequency for each position: (positions, rotary), made in float64: WGSL's own
 * sin and cos may be off by 2^-11. Formulas: transformers, modeling_rope_utils.py; llama3's is also in Meta's llama-models.
 */
export function ropeTable({
  theta,
  rotary,
  positions,
  scaling,
}: RopeTableOptions): Float32Array<ArrayBuffer> {
  invariant(rotary % 2 === 0, `rope table: rotary = ${rotary} is odd`);
  const half = rotary / 2;
  const frequencies = inverseFrequencies(theta, rotary, scaling);
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
export function inverseFrequencies(theta: number, rotary: number, scaling: RopeScaling): Float64Array {
  const plain = Float64Array.from({ length: rotary / 2 }, (_, i) => theta ** ((-2 * i) / rotary));
  switch (scaling.type) {
    case "default":
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
    case "longrope":
      invariant(
        scaling.factors.length === rotary / 2,
        `rope table: ${scaling.factors.length} longrope factors for ${rotary / 2} pairs`,
      );
      return plain.map((frequency, i) => frequency / (scaling.factors[i] ?? 1));
  }
}

function attentionFactor(scaling: RopeScaling): number {
  if (scaling.type !== "longrope") return 1;
  const { attentionFactor: given, factor, originalMaxPositions: original } = scaling;
  if (given !== undefined) return given;
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
}
