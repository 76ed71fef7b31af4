import source from "../../../shaders/head/head_dlogits.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import type { LogitsChunk } from "./head_stats.ts";

export const headDlogitsKernel = defineKernel({
  name: "head_dlogits",
  source,
  reads: ["targets"],
  writes: ["z", "out", "upstream"],
  params: {
    columns: "u32",
    firstColumn: "u32",
    stride: "u32",
    V: "u32",
    softcap: "f32",
    temperature: "f32",
  },
  step: true,
});

/** Records z = dloss/dz in place, over the valid columns of one chunk. Math: shaders/head/head_dlogits.wgsl. */
export function headDlogits(
  recorder: Recorder,
  args: Record<"z" | "out" | "targets" | "upstream", Tensor>,
  { columns, firstColumn, stride, vocab, softcap, temperature }: LogitsChunk & { readonly vocab: number },
): void {
  const [capacity = 0] = args.out.shape;
  expectShape("head_dlogits", args.z, [capacity, stride]);
  expectShape("head_dlogits", args.out, [capacity, 4]);
  expectShape("head_dlogits", args.targets, [capacity]);
  expectShape("head_dlogits", args.upstream, [capacity, 3]);
  recorder.run(
    headDlogitsKernel,
    args,
    { columns, firstColumn, stride, V: vocab, softcap, temperature },
    flatGrid((step) => Math.ceil((step.M * columns) / 256)),
  );
}
