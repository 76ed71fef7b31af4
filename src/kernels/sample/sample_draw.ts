import source from "../../../shaders/sample/sample_draw.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { expectShape, type Tensor } from "../../gpu/tensor.ts";
import type { SampleOptions } from "./sample_filter.ts";

export const sampleDrawKernel = defineKernel({
  name: "sample_draw",
  source,
  reads: ["keys"],
  writes: ["z", "seen", "stats", "tokens", "logps"],
  params: { V: "u32", softcap: "f32" },
  step: true,
  consts: { THREADS: [256, 1] },
});

/** Records the draw of one token a row, after `sampleFilter`. Math and shapes: shaders/sample/sample_draw.wgsl. */
export function sampleDraw(
  recorder: Recorder,
  args: Record<"z" | "seen" | "stats" | "keys" | "tokens" | "logps", Tensor>,
  { vocab, softcap, threads }: SampleOptions,
): void {
  const [rows = 0] = args.z.shape;
  expectShape("sample_draw", args.z, [rows, vocab]);
  expectShape("sample_draw", args.seen, [rows, Math.ceil(vocab / 32)]);
  expectShape("sample_draw", args.stats, [rows, 4]);
  expectShape("sample_draw", args.keys, [rows]);
  expectShape("sample_draw", args.tokens, [rows]);
  expectShape("sample_draw", args.logps, [rows, 2]);
  recorder.run(
    sampleDrawKernel,
    args,
    { V: vocab, softcap },
    flatGrid((step) => step.R),
    { consts: { THREADS: threads } },
  );
}
