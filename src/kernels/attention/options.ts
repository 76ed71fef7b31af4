import type { StepValues } from "../../gpu/step.ts";
import { invariant } from "../../lib/errors.ts";

export interface AttentionOptions {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Of the scores, usually headDim ** -0.5. */
  readonly scale: number;
  /** Keys a query sees, itself among them; 0 for all. */
  readonly window: number;
  /** Scores become softcap * tanh(score / softcap); 0 for none. */
  readonly softcap: number;
}

/** Queries, or keys, of one tile; the file's own value first. */
export const TILES = [16, 32, 64] as const;

/** The variants of the tiled shaders; the file's own values first. */
export const TILED_CONSTS = { TILE: [16, 32], SLICES: [2, 1, 3, 4, 5, 6, 7, 8] } as const;

/** Consts of a tiled shader for this head size. */
export function tiledConsts(tile: number, headDim: number) {
  return { TILE: tile, SLICES: Math.ceil(headDim / 32) };
}

export const ATTENTION_PARAMS = {
  heads: "u32",
  kvHeads: "u32",
  D4: "u32",
  scale: "f32",
  window: "u32",
  softcap: "f32",
} as const;

/** The shaders' `Params`, checked. */
export function attentionParams({ heads, kvHeads, headDim, scale, window, softcap }: AttentionOptions) {
  invariant(
    headDim % 4 === 0 && headDim <= 256,
    `attention: headDim ${headDim} is no multiple of 4 up to 256`,
  );
  invariant(heads % kvHeads === 0, `attention: ${heads} query heads over ${kvHeads} key heads`);
  return { heads, kvHeads, D4: headDim / 4, scale, window, softcap };
}

/** Operations of `products` multiply-adds a channel for every visible (query, key) pair, rows taken as equally long. */
export function attentionFlops({ heads, headDim, window }: AttentionOptions, products: number) {
  return ({ N, R }: StepValues): number => {
    const length = N / Math.max(1, R);
    const keys = window > 0 ? Math.min(window, length / 2) : length / 2;
    return 2 * products * N * keys * heads * headDim;
  };
}
