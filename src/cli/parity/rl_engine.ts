import type { Engine } from "../../trainer/engine.ts";
import type { OptimizerSettings } from "../../trainer/optimizer.ts";

/** Cases compare gradients, not what an optimizer makes of them. */
export const NO_UPDATE: OptimizerSettings = {
  kind: "adamw",
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: 0,
};

/** All gradients by their names in files. */
export async function gradientsOf(engine: Engine): Promise<ReadonlyMap<string, Float32Array>> {
  const values = await engine.pool.read(engine.gpu, "grads");
  return new Map([...values].map(([name, { data }]) => [name, data]));
}
