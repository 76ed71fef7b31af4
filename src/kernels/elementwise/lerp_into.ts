import source from "../../../shaders/elementwise/lerp_into.wgsl?raw";
import { defineKernel } from "../../gpu/kernel.ts";
import { flatGrid, type Recorder } from "../../gpu/recorder.ts";
import { numel, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";

export const lerpIntoKernel = defineKernel({
  name: "lerp_into",
  source,
  reads: [],
  writes: ["x", "y"],
  params: { count: "u32", alpha: "f32" },
});

/**
 * Records y += alpha (x - y) over the first `count` elements, whatever the shapes. A reference model follows the policy by it.
 * Math and shapes: shaders/elementwise/lerp_into.wgsl.
 */
export function lerpInto(
  recorder: Recorder,
  args: Record<"x" | "y", Tensor>,
  { count, alpha }: { readonly count: number; readonly alpha: number },
): void {
  const room = Math.min(numel(args.x.shape), numel(args.y.shape));
  invariant(count <= room, `lerp_into: ${count} elements of ${room}`);
  recorder.run(
    lerpIntoKernel,
    args,
    { count, alpha },
    flatGrid(() => Math.ceil(count / 256)),
  );
}
