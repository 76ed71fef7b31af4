import source from "../../../shaders/bench/fma_rate.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { numel, type Tensor } from "../../gpu/tensor.ts";

export const fmaRateKernel = defineKernel({
  name: "fma_rate",
  source,
  reads: [],
  writes: ["y"],
  params: { count: "u32", rounds: "u32", a: "f32", b: "f32" },
  consts: { FUSED: [0, 1] },
});

/** Floating-point operations of one element of y in one round. */
export const FMA_FLOPS_PER_ROUND = 192;

/** Records chains of multiply-adds, for benchmarks only. Math: shaders/bench/fma_rate.wgsl. */
export function fmaRate(
  recorder: Recorder,
  { y }: Record<"y", Tensor>,
  { rounds, a, b, fused }: { rounds: number; a: number; b: number; fused: boolean },
): void {
  const count = numel(y.shape);
  recorder.run(
    fmaRateKernel,
    { y },
    { count, rounds, a, b },
    flatGrid(() => Math.ceil(count / 64)),
    { consts: { FUSED: fused ? 1 : 0 } },
  );
}
