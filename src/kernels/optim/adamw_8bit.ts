import source from "../../../shaders/optim/adamw_8bit.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const adamw8bitKernel = defineKernel({
  name: "adamw_8bit",
  source,
  reads: ["blocks", "maps"],
  writes: ["params", "grads", "moments", "state"],
  params: {
    beta1: "f32",
    beta2: "f32",
    oneMinusBeta1: "f32",
    oneMinusBeta2: "f32",
    eps: "f32",
    weight_decay: "f32",
  },
  step: true,
  consts: { THREADS: [64, 1] },
});

const BLOCK = 256;
/** Two maxima, and 64 words of codes for each moment. */
const BLOCK_WORDS = 2 + (2 * BLOCK) / 4;
/** Tensors with fewer elements keep their moments in f32, as in bitsandbytes. */
const LEAST_QUANTISED = 4096;

/** One tensor in a shard of the pool. */
export interface ParameterRange {
  readonly offset: number;
  readonly count: number;
  readonly decay: boolean;
}

/** The table that the shader walks, (blocks, 4) u32, and the size of `moments` in words; blocks never cross tensors. */
export function adamw8bitPlan(ranges: readonly ParameterRange[]): { blocks: Uint32Array; words: number } {
  const blocks: number[] = [];
  let words = 0;
  for (const { offset, count, decay } of ranges) {
    const quantised = count >= LEAST_QUANTISED;
    for (let start = 0; start < count; start += BLOCK) {
      const length = Math.min(BLOCK, count - start);
      blocks.push(offset + start, length, words, (decay ? 1 : 0) + (quantised ? 0 : 2));
      words += quantised ? BLOCK_WORDS : 2 * length;
    }
  }
  return { blocks: Uint32Array.from(blocks), words };
}

export interface Adamw8bitOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weight_decay: number;
  readonly threads: number;
}

/**
 * Records one 8-bit AdamW update of a shard at `step.lr`; clears the gradients of the planned ranges. `blocks` (B, 4) and
 * the size of `moments` (zeroed before step 1) come from `adamw8bitPlan`, `maps` (512) from `dynamicMaps`.
 * Math and layout: shaders/optim/adamw_8bit.wgsl.
 */
export function adamw8bit(
  recorder: Recorder,
  args: Record<"params" | "grads" | "moments" | "state" | "blocks" | "maps", Tensor>,
  { beta1, beta2, eps, weight_decay, threads }: Adamw8bitOptions,
): void {
  const [blocks = 0] = args.blocks.shape;
  expectShape("adamw_8bit", args.blocks, [blocks, 4]);
  expectShape("adamw_8bit", args.maps, [512]);
  expectShape("adamw_8bit", args.state, [16]);
  recorder.run(
    adamw8bitKernel,
    args,
    { beta1, beta2, oneMinusBeta1: 1 - beta1, oneMinusBeta2: 1 - beta2, eps, weight_decay },
    flatGrid(() => blocks),
    { consts: { THREADS: threads } },
  );
}
