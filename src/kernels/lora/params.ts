import { SEGMENT_PARAMS } from "./segments.ts";

/** Which count of `Step` the rows follow, as `const ROWS` of the shaders. */
export const ROWS = { N: 0, M: 1, R: 2 } as const;
export type LoraRows = keyof typeof ROWS;

/** The parameters of each kernel, which its plain and its tiled shader share. */
export const LORA_U_PARAMS = {
  ldx: "u32",
  column: "u32",
  K: "u32",
  rank: "u32",
  projections: "u32",
  tag: "u32",
  rate: "f32",
  keep: "f32",
} as const;

export const LORA_BACKWARD_U_PARAMS = {
  ldy: "u32",
  ru: "u32",
  rank: "u32",
  scale: "f32",
  ...SEGMENT_PARAMS,
} as const;

export const LORA_BACKWARD_AB_PARAMS = {
  ldx: "u32",
  column: "u32",
  K: "u32",
  ldy: "u32",
  ru: "u32",
  rank: "u32",
  scale: "f32",
  tag: "u32",
  rate: "f32",
  keep: "f32",
  ...SEGMENT_PARAMS,
} as const;
