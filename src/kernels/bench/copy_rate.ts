import source from "../../../shaders/bench/copy_rate.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";

export const copyRateKernel = defineKernel({
  name: "copy_rate",
  source,
  reads: ["x"],
  writes: ["y"],
  params: { count: "u32" },
});

/** Records y = x for (count, 4), for benchmarks only. Math: shaders/bench/copy_rate.wgsl. */
export function copyRate(recorder: Recorder, { x, y }: Record<"x" | "y", Tensor>): void {
  const [count = 0] = x.shape;
  expectShape("copy_rate", x, [count, 4]);
  expectShape("copy_rate", y, [count, 4]);
  recorder.run(
    copyRateKernel,
    { x, y },
    { count },
    flatGrid(() => Math.ceil(count / 64)),
  );
}
