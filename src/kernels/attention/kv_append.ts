import source from "../../../shaders/attention/kv_append.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { KernelProfile } from "../profile.ts";
import type { AttentionOptions } from "./options.ts";

export const kvAppendKernel = defineKernel({
  name: "kv_append",
  source,
  reads: ["targets"],
  writes: ["k", "qkv", "kCache", "vCache"],
  params: { row4: "u32", first4: "u32", stride4: "u32", maxLength: "u32" },
  step: true,
  consts: { ROWS: [0, 1] },
});

export interface KvAppendOptions extends Pick<AttentionOptions, "heads" | "kvHeads" | "headDim"> {
  /** Tokens that a slot of the caches holds. */
  readonly maxLength: number;
  /** Which count of `Step` the tokens follow: N in a prefill, R (one token a sequence) when decoding. */
  readonly rows: "N" | "R";
}

/**
 * Records kCache[slot, index] = k and vCache[slot, index] = v for each token, with (slot, index) from `targets`
 * (capacity, 2) u32; slot 0xffffffff leaves a token out. Caches: (slots, maxLength, kvHeads * headDim), one pair a layer,
 * outside the arena. Layouts: shaders/attention/kv_append.wgsl.
 */
export function kvAppend(
  recorder: Recorder,
  _profile: KernelProfile,
  args: Record<"k" | "qkv" | "kCache" | "vCache" | "targets", Tensor>,
  { heads, kvHeads, headDim, maxLength, rows }: KvAppendOptions,
): void {
  const [capacity = 0] = args.k.shape;
  const [slots = 0] = args.kCache.shape;
  const width = kvHeads * headDim;
  invariant(headDim % 4 === 0, `kv_append: headDim ${headDim} is no multiple of 4`);
  expectShape("kv_append", args.k, [capacity, width]);
  expectShape("kv_append", args.qkv, [capacity, (heads + 2 * kvHeads) * headDim]);
  expectShape("kv_append", args.kCache, [slots, maxLength, width]);
  expectShape("kv_append", args.vCache, [slots, maxLength, width]);
  const params = {
    row4: width / 4,
    first4: ((heads + kvHeads) * headDim) / 4,
    stride4: ((heads + 2 * kvHeads) * headDim) / 4,
    maxLength,
  };
  recorder.run(
    kvAppendKernel,
    args,
    params,
    flatGrid((step) => Math.ceil((step[rows] * width) / 256)),
    { consts: { ROWS: rows === "R" ? 1 : 0 } },
  );
}
