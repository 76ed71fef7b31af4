import type { KernelProfile } from "../../../src/kernels/profile.ts";
import { uniforms } from "../../gpu.ts";
import type { AttentionCase } from "../../reference/attention.ts";

export const PROFILES: Readonly<Record<"cpu" | "gpu", KernelProfile>> = {
  cpu: { kind: "cpu", rowThreads: 1, attentionTile: 16 },
  gpu: { kind: "gpu", rowThreads: 64, attentionTile: 16 },
};

/** Rows of one token, of a whole tile, of a tile and one more: and a capacity that no row fills. */
export const ROWS = [1, 16, 17, 1, 37];

const plain = { heads: 4, kvHeads: 4, headDim: 64, scale: 0.125, window: 0, softcap: 0, rowLengths: ROWS };

export const CASES: Readonly<Record<string, AttentionCase>> = {
  plain,
  "D = 4": { ...plain, headDim: 4, scale: 0.5 },
  "grouped, D = 8": { ...plain, kvHeads: 2, headDim: 8, scale: 0.35 },
  "one key head, D = 16": { ...plain, heads: 3, kvHeads: 1, headDim: 16, scale: 0.25 },
  "window 5, D = 32": { ...plain, window: 5, headDim: 32, scale: 0.18 },
  "window 1": { ...plain, heads: 2, kvHeads: 2, window: 1 },
  "softcap, D = 80": { ...plain, heads: 2, kvHeads: 1, headDim: 80, scale: 1, softcap: 3 },
  "grouped, window 20, softcap, D = 96": {
    ...plain,
    heads: 6,
    kvHeads: 2,
    headDim: 96,
    scale: 0.7,
    window: 20,
    softcap: 5,
  },
  "D = 128": { ...plain, heads: 2, kvHeads: 1, headDim: 128, scale: 0.088 },
  "D = 256": { ...plain, heads: 2, kvHeads: 1, headDim: 256, scale: 0.0625, window: 19 },
};

/** llvmpipe takes a quarter of a minute to compile a tiled kernel: it has three of their variants, SwiftShader has all. */
const ON_LLVMPIPE = ["grouped, D = 8", "window 5, D = 32", "grouped, window 20, softcap, D = 96"];

export function casesFor({ kind }: KernelProfile, { description }: { readonly description: string }) {
  const few = kind === "gpu" && /llvmpipe/i.test(description);
  return Object.entries(CASES).filter(([name]) => !few || ON_LLVMPIPE.includes(name));
}

export const sum = (x: readonly number[]) => x.reduce((a, b) => a + b, 0);

/** Inputs of a case; queries large enough for peaked softmaxes. */
export function inputs({ heads, kvHeads, headDim: D, rowLengths }: AttentionCase) {
  const N = sum(rowLengths);
  return {
    N,
    q: uniforms(1, N * heads * D, -2, 2),
    k: uniforms(2, N * kvHeads * D, -2, 2),
    qkv: uniforms(3, N * (heads + 2 * kvHeads) * D),
    dout: uniforms(4, N * heads * D),
  };
}
