import source from "../../../shaders/quantize/nf4_blocks.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../linear/weight.ts";

export const nf4BlocksKernel = defineKernel({
  name: "nf4_blocks",
  source,
  reads: ["x"],
  writes: ["codes", "absmax"],
  step: true,
  consts: { FORMAT: [1, 0, 2] },
});

/** Elements that share a scale. */
export const NF4_BLOCK = 64;

/**
 * Records the quantisation of the first `step.N` elements of x, which is a whole number of blocks long: absmax is (blocks),
 * codes (8 blocks) words. Math and shapes: shaders/quantize/nf4_blocks.wgsl. Throws `shape-mismatch`.
 */
export function nf4Blocks(
  recorder: Recorder,
  args: Record<"x" | "codes" | "absmax", Tensor>,
  { format }: { readonly format: Exclude<WeightFormat, "nf4"> },
): void {
  const [blocks = 0] = args.absmax.shape;
  expectShape("nf4_blocks", args.codes, [(blocks * NF4_BLOCK) / 8]);
  expectShape("nf4_blocks", args.x, [(blocks * NF4_BLOCK) / (format === "f32" ? 1 : 2)]);
  recorder.run(
    nf4BlocksKernel,
    args,
    {},
    flatGrid((step) => Math.ceil(step.N / (NF4_BLOCK * 64))),
    { consts: { FORMAT: WEIGHT_FORMATS[format] } },
  );
}
